/** @file Σ s · x: a scalar out of many. */
import { fill } from '../../kernels/elementwise.ts';
import { sum as sumKernel } from '../../kernels/reduce.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

/** x: any shape → [1]; added up in f64 */
export const sum = defineOp('sum', {
  forward([x]: readonly [x: Tensor], { scale }: { readonly scale: number }, memory) {
    const y = memory.activations.tensor([1], x.dtype);
    fill.run(y.data, scale * sumKernel.run(x.data));
    return { y, saved: { shape: x.shape, scale } };
  },

  backward(dy, { shape, scale }, _needs, memory) {
    const dx = memory.gradients.tensor(shape, dy.dtype);
    fill.run(dx.data, scale * dy.item());
    return [dx];
  },
});
