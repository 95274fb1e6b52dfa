/** @file y = x · Wᵀ + b. */
import { columnSums } from '../../kernels/elementwise.ts';
import { gemm } from '../../kernels/gemm.ts';
import { defineOp, room } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { multiply } from './products.ts';

type Inputs = readonly [x: Tensor, weight: Tensor, bias: Tensor | null];

/** x: [T, D], weight: [O, D], bias: [O] → [T, O] */
export const linear = defineOp('linear', {
  forward([x, weight, bias]: Inputs, _options: null, memory) {
    const y = memory.activations.tensor([x.rows, weight.shape[0]], x.dtype);
    multiply(x, weight, y, { bias });
    return { y, saved: { x: weight.slot.needsGrad ? x : null, weight } };
  },

  backward(dy, { x, weight }, [needsX, needsWeight, needsBias], memory, begun) {
    const [outputs, inputs] = weight.shape;
    const T = dy.rows;
    const dx = needsX ? room(begun[0], () => memory.gradients.tensor([T, inputs], dy.dtype)) : null;
    const dWeight = needsWeight && x ? room(begun[1], () => memory.gradients.like(weight)) : null;
    const dBias = needsBias ? memory.gradients.tensor([outputs], weight.dtype) : null;
    if (dx) {
      const { to, beta } = dx;
      gemm.run(dy.data, weight.data, to.data, T, inputs, outputs, false, false, 1, beta, null);
    }
    if (dWeight && x) {
      const { to, beta } = dWeight;
      gemm.run(dy.data, x.data, to.data, outputs, inputs, T, true, false, 1, beta, null);
    }
    if (dBias) columnSums.run(dy.data, dBias.data);
    return [dx?.to ?? null, dWeight?.to ?? null, dBias];
  },
});
