/** @file Layer norm over the last axis (Ba et al. 2016, arXiv:1607.06450). */
import { layerNormBackward, layerNormForward } from '../../kernels/layer-norm.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

type Inputs = readonly [x: Tensor, weight: Tensor, bias: Tensor | null];

/** x: [..., D], weight: [D], bias: [D] → [..., D] */
export const layerNorm = defineOp('layer-norm', {
  cheap: true,

  forward([x, weight, bias]: Inputs, eps: number, memory) {
    const y = memory.activations.like(x);
    const mean = memory.activations.tensor([x.rows], weight.dtype);
    const rstd = memory.activations.tensor([x.rows], weight.dtype);
    layerNormForward.run(
      x.data,
      weight.data,
      bias?.data ?? null,
      eps,
      y.data,
      mean.data,
      rstd.data,
    );
    return { y, saved: { x, weight, mean, rstd } };
  },

  backward(dy, { x, weight, mean, rstd }, [needsX, needsWeight, needsBias], memory) {
    const dx = needsX ? memory.gradients.like(x) : null;
    const dWeight = needsWeight ? memory.gradients.like(weight) : null;
    const dBias = needsBias ? memory.gradients.like(weight) : null;
    layerNormBackward.run(
      dy.data,
      x.data,
      weight.data,
      mean.data,
      rstd.data,
      dx?.data ?? null,
      dWeight?.data ?? null,
      dBias?.data ?? null,
    );
    return [dx, dWeight, dBias];
  },
});
