/**
 * @file A linear layer with a low-rank update beside it (Hu et al. 2021, arXiv:2106.09685, eq. 3):
 * y = x · Wᵀ + b + s · drop(x) · Aᵀ · Bᵀ. The weight may be frozen; A and B are not.
 */
import { dropout as dropoutKernel } from '../../kernels/dropout.ts';
import { addInto, columnSums } from '../../kernels/elementwise.ts';
import { gemm } from '../../kernels/gemm.ts';
import type { Memory } from '../memory.ts';
import { defineOp, room } from '../op.ts';
import { beside } from '../rounded.ts';
import type { Randomness } from '../session.ts';
import type { Tensor } from '../tensor.ts';
import { multiply } from './products.ts';

type Inputs = readonly [x: Tensor, weight: Tensor, bias: Tensor | null, a: Tensor, b: Tensor];
export type LoraOptions = {
  readonly scale: number;
  readonly dropout: number;
  /** What the dropout of this module is known by: a hash of its name. */
  readonly purpose: number;
  /** Null where nothing is dropped. */
  readonly randomness: Randomness | null;
};

function drop(x: Tensor, { dropout, purpose, randomness }: LoraOptions, memory: Memory): Tensor {
  if (dropout === 0 || randomness === null) return x;
  const { rowIds, positions, seed, step } = randomness;
  const y = memory.workspace.like(x);
  dropoutKernel.run(x.data, rowIds, positions, seed, purpose, step, dropout, y.data);
  return y;
}

/** x: [T, D], weight: [O, D], bias: [O], a: [R, D], b: [O, R] → [T, O] */
export const loraLinear = defineOp('lora-linear', {
  forward([x, weight, bias, a, b]: Inputs, options: LoraOptions, memory) {
    const y = memory.activations.tensor([x.rows, weight.shape[0]], x.dtype);
    const [usedA, usedB] = [beside(x, a, memory), beside(x, b, memory)];
    const h = memory.activations.tensor([x.rows, a.shape[0]], usedA.dtype);
    multiply(drop(x, options, memory), usedA, h, { scale: options.scale });
    multiply(x, weight, y, { bias, low: { h, b: usedB } });
    const keptX = a.slot.needsGrad || weight.slot.needsGrad ? x : null;
    return { y, saved: { x: keptX, weight, a, b, h, options } };
  },

  backward(
    dy,
    { x, weight, a, b, h, options },
    [needsX, needsWeight, needsBias, needsA, needsB],
    memory,
    begun,
  ) {
    const [outputs, inputs] = weight.shape;
    const R = a.shape[0];
    const T = dy.rows;
    const dx = needsX ? room(begun[0], () => memory.gradients.tensor([T, inputs], dy.dtype)) : null;
    const dWeight = needsWeight && x ? room(begun[1], () => memory.gradients.like(weight)) : null;
    const dBias = needsBias ? memory.gradients.tensor([outputs], weight.dtype) : null;
    const dA = needsA && x ? room(begun[3], () => memory.gradients.like(a)) : null;
    const dB = needsB ? room(begun[4], () => memory.gradients.like(b)) : null;
    if (dWeight && x) {
      const { to, beta } = dWeight;
      gemm.run(dy.data, x.data, to.data, outputs, inputs, T, true, false, 1, beta, null);
    }
    if (dBias) columnSums.run(dy.data, dBias.data);
    if (dB) gemm.run(dy.data, h.data, dB.to.data, outputs, R, T, true, false, 1, dB.beta, null);
    if (dx || dA) {
      const [usedA, usedB] = [beside(dy, a, memory), beside(dy, b, memory)];
      const dh = memory.workspace.tensor([T, R], usedA.dtype);
      gemm.run(dy.data, usedB.data, dh.data, T, R, outputs, false, false, options.scale, 0, null);
      if (dA && x) {
        const { to, beta } = dA;
        const dropped = drop(x, options, memory);
        gemm.run(dh.data, dropped.data, to.data, R, inputs, T, true, false, 1, beta, null);
      }
      if (dx) {
        const dropped = options.dropout > 0 && options.randomness !== null;
        gemm.run(
          dy.data,
          weight.data,
          dx.to.data,
          T,
          inputs,
          outputs,
          false,
          false,
          1,
          dx.beta,
          null,
          dropped ? null : dh.data,
          dropped ? null : usedA.data,
        );
        if (dropped) {
          const through = memory.workspace.like(dx.to);
          gemm.run(dh.data, usedA.data, through.data, T, inputs, R, false, false, 1, 0, null);
          addInto.run(drop(through, options, memory).data, dx.to.data);
        }
      }
    }
    return [dx?.to ?? null, dWeight?.to ?? null, dBias, dA?.to ?? null, dB?.to ?? null];
  },
});
