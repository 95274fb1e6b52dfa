/** @file A head that shares the embedding's weight, where one of the two is trained or replaced. */
import type { Memory } from '../engine/memory.ts';
import { type CausalLM, namedParameters } from '../engine/nn/index.ts';
import { Parameter } from '../engine/parameter.ts';
import { copy } from '../kernels/copy.ts';
import { peftName } from './peft-adapter.ts';
import type { SavedWeight } from './tuning.ts';

/** Its name in a checkpoint, where it has one. */
export const headWeight = 'lm_head.weight';

export function isTied({ root, head }: CausalLM): boolean {
  const own = new Map(namedParameters(root)).get(headWeight);
  return own === undefined && [...namedParameters(root)].some(([, each]) => each === head.weight);
}

/** Gives the head a copy of its own. */
export function untie({ head }: CausalLM, memory: Memory): void {
  const shared = head.weight.tensor;
  const own = new Parameter(head.weight.shape);
  if (shared.dtype === 'blocks') {
    // Nobody writes blocks: both may hold the same ones until one of them gets numbers of its own.
    shared.buffer.hold();
    own.set(shared, false);
  } else {
    const values = memory.weights.keep(shared.shape, shared.dtype);
    copy.run(shared.data, values.data);
    own.set(values, false);
  }
  Object.assign(head, { weight: own });
}

/**
 * What PEFT wants in the file with `ensure_weight_tying`: the weight of an embedding that is the head too, once more
 * under the head's name. None where the embedding is not among `weights`.
 */
export function headCopy(model: CausalLM, weights: readonly SavedWeight[]): SavedWeight[] {
  const shared = isTied(model) && weights.some(({ parameter }) => parameter === model.head.weight);
  return shared ? [{ name: peftName(headWeight), parameter: model.head.weight }] : [];
}
