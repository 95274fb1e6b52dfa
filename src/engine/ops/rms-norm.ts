/** @file RMS norm over the last axis (Zhang & Sennrich 2019, arXiv:1910.07467). */
import { rmsNormBackward, rmsNormForward } from '../../kernels/rms-norm.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

/** x: [..., D], weight: [D] → [..., D] */
export const rmsNorm = defineOp('rms-norm', {
  cheap: true,

  forward([x, weight]: readonly [x: Tensor, weight: Tensor], eps: number, memory) {
    const y = memory.activations.like(x);
    const rstd = memory.activations.tensor([x.rows], weight.dtype);
    rmsNormForward.run(x.data, weight.data, eps, y.data, rstd.data);
    return { y, saved: { x, weight, rstd } };
  },

  // A frozen weight needs no gradient: then neither time nor memory goes into it.
  backward(dy, { x, weight, rstd }, [needsX, needsWeight], memory) {
    const dx = needsX ? memory.gradients.like(x) : null;
    const dWeight = needsWeight ? memory.gradients.like(weight) : null;
    rmsNormBackward.run(
      dy.data,
      x.data,
      weight.data,
      rstd.data,
      dx?.data ?? null,
      dWeight?.data ?? null,
    );
    return [dx, dWeight];
  },
});
