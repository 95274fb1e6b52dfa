/** @file GELU (Hendrycks & Gimpel 2016, arXiv:1606.08415), exact or by tanh. */
import { geluBackward, geluForward } from '../../kernels/gelu.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

/** x: [T, F] → [T, F] */
export const gelu = defineOp('gelu', {
  cheap: true,

  forward([x]: readonly [x: Tensor], { tanh }: { readonly tanh: boolean }, memory) {
    const y = memory.activations.like(x);
    geluForward.run(x.data, y.data, tanh);
    return { y, saved: { x, tanh } };
  },

  backward(dy, { x, tanh }, _needs, memory) {
    const dx = memory.gradients.like(x);
    geluBackward.run(dy.data, x.data, tanh, dx.data);
    return [dx];
  },
});
