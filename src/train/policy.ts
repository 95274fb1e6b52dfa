/** @file The model as methods and evaluation ask it: log-probabilities of the targets of a micro-batch. */
import type { MicroBatch } from '../engine/micro-batches.ts';
import type { CausalLM, Context } from '../engine/nn/index.ts';
import { embedding } from '../engine/ops/embedding.ts';
import { linearCrossEntropy } from '../engine/ops/linear-cross-entropy.ts';
import type { Policy } from '../methods/method.ts';

export function policyOf(
  { decoder, head }: CausalLM,
  { checkpointing, dtype }: Pick<Context, 'checkpointing' | 'dtype'>,
): Policy {
  return {
    logp({ ids, asked, targets, ...where }: MicroBatch) {
      // Only the positions that predict a target leave the last layer, and meet the head.
      const rows = onceEach(asked);
      const context = { ...where, cache: null, rows, checkpointing, dtype };
      const hidden = decoder({ ids }, context);
      const chosen =
        rows === asked ? hidden : embedding([hidden], { indices: placesIn(rows, asked) }); // [n, D]
      return linearCrossEntropy([chosen, head.weight.tensor, head.bias?.tensor ?? null], {
        targets,
      });
    },
  };
}

/** Ascending, each once: `asked` itself unless replies share a prompt, whose last position is asked for each. */
const onceEach = (asked: Int32Array): Int32Array =>
  asked.every((row, i) => i === 0 || row > asked[i - 1])
    ? asked
    : Int32Array.from(new Set(asked)).sort();

function placesIn(rows: Int32Array, asked: Int32Array): Int32Array {
  const places = new Map(Array.from(rows, (row, place) => [row, place]));
  return asked.map((row) => places.get(row) as number);
}
