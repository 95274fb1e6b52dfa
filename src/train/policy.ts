/** @file The model as methods and evaluation ask it: log-probabilities of the targets of a micro-batch. */
import type { MicroBatch } from '../engine/micro-batches.ts';
import type { CausalLM } from '../engine/nn/index.ts';
import { embedding } from '../engine/ops/embedding.ts';
import { linearCrossEntropy } from '../engine/ops/linear-cross-entropy.ts';
import type { Policy } from '../methods/method.ts';

export function policyOf(
  { decoder, head }: CausalLM,
  { checkpointing }: { checkpointing: boolean },
): Policy {
  return {
    logp({ ids, asked, targets, ...where }: MicroBatch) {
      const hidden = decoder({ ids }, { ...where, cache: null, checkpointing }); // [T, D]
      // Only the positions that predict a target ever meet the head.
      const chosen = embedding([hidden], { indices: asked }); // [n, D]
      return linearCrossEntropy([chosen, head.weight.tensor, head.bias?.tensor ?? null], {
        targets,
      });
    },
  };
}
