/** @file Evaluation loss: Σ −log p / targets over the whole set, whatever the batches. */
import type { Place } from '../core/errors.ts';
import type { Memory } from '../engine/memory.ts';
import { cutMicroBatches, layOut, type Row } from '../engine/micro-batches.ts';
import { within } from '../engine/session.ts';
import { sum } from '../kernels/reduce.ts';
import type { Policy } from '../methods/method.ts';

/** Rows of a Prepared set, as the loop takes them. */
export type Rows = {
  readonly count: number;
  row(index: number): Row;
  /** Where it came from, for messages. */
  place(index: number): Place | undefined;
};

export type EvalSet = { readonly name: string; readonly rows: Rows };

/** `eval_loss` and `eval_perplexity`; with several sets, `eval_<name>_loss` too. */
export async function evaluate(
  sets: readonly EvalSet[],
  policy: Policy,
  {
    memory,
    microBatchTokens,
    turn,
  }: { memory: Memory; microBatchTokens: number; turn: () => Promise<void> },
): Promise<Record<string, number>> {
  const sums: EvalSum[] = [];
  for (const { name, rows } of sets) {
    let setTotal = 0;
    let setTargets = 0;
    const all = Array.from({ length: rows.count }, (_, i) => rows.row(i));
    for (const cut of cutMicroBatches(all, microBatchTokens)) {
      const batch = layOut(cut);
      if (batch.targets.length > 0) {
        setTotal -= within({ memory, tape: null, randomness: null }, () =>
          memory.scope(() => sum.run(policy.logp(batch).data)),
        );
      }
      setTargets += batch.targets.length;
      await turn();
    }
    sums.push({ name, sum: setTotal, targets: setTargets });
  }
  return evalMetrics(sums);
}

/** What a set came to: Σ −log p, and over how many targets. */
export type EvalSum = { readonly name: string; readonly sum: number; readonly targets: number };

export function evalMetrics(sets: readonly EvalSum[]): Record<string, number> {
  const metrics: Record<string, number> = {};
  let [total, count] = [0, 0];
  for (const { name, sum, targets } of sets) {
    if (sets.length > 1) metrics[`eval_${name}_loss`] = sum / targets;
    total += sum;
    count += targets;
  }
  return { ...metrics, eval_loss: total / count, eval_perplexity: Math.exp(total / count) };
}
