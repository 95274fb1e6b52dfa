/**
 * @file log p of a target at each asked-for position, straight from hidden states: logits exist for a
 * chunk of positions at a time (Wijmans et al. 2024, arXiv:2411.09009, in chunks).
 */
import { crossEntropyBackward, crossEntropyForward } from '../../kernels/cross-entropy.ts';
import { addInto, columnSums, scaleRows } from '../../kernels/elementwise.ts';
import { gemm } from '../../kernels/gemm.ts';
import type { Memory } from '../memory.ts';
import { defineOp, room } from '../op.ts';
import type { Tensor } from '../tensor.ts';

type Inputs = readonly [hidden: Tensor, weight: Tensor, bias: Tensor | null];

export type LinearCrossEntropyOptions = {
  /** [n] */
  readonly targets: Int32Array;
  /** Positions whose logits are in memory together. */
  readonly chunk?: number;
};

/**
 * Fewer, taller products read the head's weights less often: 401 positions at once cost a tenth less than 256 and 145. Logits
 * of a large vocabulary would cost more memory than that is worth.
 */
function defaultChunk(positions: number, vocabulary: number): number {
  const most = Math.min(512, Math.max(256, Math.floor(2 ** 25 / vocabulary)));
  return Math.ceil(positions / Math.max(1, Math.ceil(positions / most)));
}

/** Logits of a chunk. Few sizes, so that the next batch finds room that this one gave back. */
function roomFor(chunk: number, V: number, dtype: Tensor['dtype'], memory: Memory): Tensor {
  return memory.workspace.tensor([chunk > 128 ? Math.ceil(chunk / 256) * 256 : chunk, V], dtype);
}

/** Room for the gradients of logits where the products that take them multiply bf16. */
function roundedLike(
  hidden: Tensor,
  weight: Tensor,
  logits: Tensor,
  memory: Memory,
): Uint16Array | null {
  if (hidden.dtype !== 'bf16' || !(weight.data instanceof Uint16Array)) return null;
  return memory.workspace.tensor(logits.shape, 'bf16').data as Uint16Array;
}

/** hidden: [n, D], weight: [V, D], bias: [V] → log p: [n], f32 */
export const linearCrossEntropy = defineOp('linear-cross-entropy', {
  forward(
    [hidden, weight, bias]: Inputs,
    { targets, chunk: asked }: LinearCrossEntropyOptions,
    memory,
  ) {
    const [V, D] = weight.shape;
    const n = targets.length;
    const chunk = asked ?? defaultChunk(n, V);
    const dtype = hidden.dtype === 'f64' ? 'f64' : 'f32';
    const logp = memory.activations.tensor([n], dtype);
    const lse = memory.activations.tensor([n], dtype);
    const frozen = !weight.slot.needsGrad && !(bias?.slot.needsGrad ?? false);
    // d log p / d hidden does not depend on what comes later but for a factor a row: made here, it
    // spares the backward pass all logits. A trained head needs them again, with the weights.
    const unit = frozen && hidden.slot.needsGrad ? memory.activations.like(hidden) : null;
    const logits = roomFor(Math.min(chunk, n), V, dtype, memory);
    const gradients = unit ? roundedLike(hidden, weight, logits, memory) : null;
    for (let from = 0; from < n; from += chunk) {
      const to = Math.min(from + chunk, n);
      const rows = to - from;
      const part = hidden.data.subarray(from * D, to * D);
      const z = logits.data.subarray(0, rows * V);
      gemm.run(part, weight.data, z, rows, V, D, false, true, 1, 0, bias?.data ?? null);
      const wanted = targets.subarray(from, to);
      const partLse = lse.data.subarray(from, to);
      crossEntropyForward.run(z, wanted, logp.data.subarray(from, to), partLse, null, null);
      if (unit) {
        const dz = gradients ? gradients.subarray(0, rows * V) : null;
        crossEntropyBackward.run(z, partLse, wanted, null, dz);
        gemm.run(
          dz ?? z,
          weight.data,
          unit.data.subarray(from * D, to * D),
          rows,
          D,
          V,
          false,
          false,
          1,
          0,
          null,
        );
      }
    }
    return { y: logp, saved: { hidden, weight, bias, lse, unit, targets, chunk } };
  },

  backward(
    dy,
    { hidden, weight, bias, lse, unit, targets, chunk },
    [needsHidden, needsWeight, needsBias],
    memory,
    begun,
  ) {
    if (unit) {
      const dHidden = memory.gradients.like(hidden);
      scaleRows.run(unit.data, dy.data, dHidden.data, 0);
      return [dHidden, null, null];
    }
    const [V, D] = weight.shape;
    const n = targets.length;
    const dHidden = needsHidden ? memory.gradients.like(hidden) : null;
    const dWeight = needsWeight ? room(begun[1], () => memory.gradients.like(weight)) : null;
    const dBias = needsBias && bias ? memory.gradients.like(bias) : null;
    const logits = roomFor(Math.min(chunk, n), V, dy.dtype, memory);
    const gradients = roundedLike(hidden, weight, logits, memory);
    const partBias = dBias ? memory.workspace.like(dBias) : null;
    for (let from = 0; from < n; from += chunk) {
      const to = Math.min(from + chunk, n);
      const rows = to - from;
      const part = hidden.data.subarray(from * D, to * D);
      const z = logits.data.subarray(0, rows * V);
      gemm.run(part, weight.data, z, rows, V, D, false, true, 1, 0, bias?.data ?? null);
      crossEntropyBackward.run(
        z,
        lse.data.subarray(from, to),
        targets.subarray(from, to),
        dy.data.subarray(from, to),
        gradients ? gradients.subarray(0, rows * V) : null,
      );
      const dz = gradients ? gradients.subarray(0, rows * V) : z;
      if (dHidden)
        gemm.run(
          dz,
          weight.data,
          dHidden.data.subarray(from * D, to * D),
          rows,
          D,
          V,
          false,
          false,
          1,
          0,
          null,
        );
      if (dWeight) {
        const beta = from === 0 ? dWeight.beta : 1;
        gemm.run(dz, part, dWeight.to.data, V, D, rows, true, false, 1, beta, null);
      }
      if (dBias && partBias) {
        columnSums.run(dz, from === 0 ? dBias.data : partBias.data);
        if (from > 0) addInto.run(partBias.data, dBias.data);
      }
    }
    return [dHidden, dWeight?.to ?? null, dBias];
  },
});
