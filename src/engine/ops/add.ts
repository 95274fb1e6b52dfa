/** @file a + b: residual connections. */
import { add as addKernel } from '../../kernels/elementwise.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

/** a, b: one shape → that shape */
export const add = defineOp('add', {
  forward([a, b]: readonly [a: Tensor, b: Tensor], _options: null, memory) {
    const y = memory.activations.like(a);
    addKernel.run(a.data, b.data, y.data);
    return { y, saved: {} };
  },

  backward(dy, _saved, [needsA, needsB]) {
    return [needsA ? dy : null, needsB ? dy : null];
  },
});
