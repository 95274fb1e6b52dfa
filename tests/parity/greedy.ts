/** @file For tests: the likeliest tokens of a model, one by one, straight from its decoder and its head. */
import type { Memory } from '../../src/engine/memory.ts';
import { Cache, type CausalLM, documentsContext } from '../../src/engine/nn/index.ts';
import { linear } from '../../src/engine/ops/linear.ts';
import { within } from '../../src/engine/session.ts';

/** Up to `count` ids after `prompt`; one of `stops` ends it, and is the last. */
export function greedy(
  model: CausalLM,
  memory: Memory,
  prompt: readonly number[],
  count: number,
  stops: readonly number[],
): number[] {
  const cache = new Cache(memory, prompt.length + count);
  const out: number[] = [];
  let ids = Int32Array.from(prompt);
  let at = 0;
  while (out.length < count && !stops.includes(out.at(-1) ?? -1)) {
    const rows = ids.map((_, i) => at + i);
    at += ids.length;
    const ranges = { ranges: Int32Array.of(0, at), starts: Int32Array.of(0, 1) };
    const context = {
      ...documentsContext([ids.length]),
      positions: rows,
      cache: cache.pass(rows, ranges),
    };
    const logits = within({ memory, tape: null, randomness: null }, () =>
      memory.scope(() => {
        const hidden = model.decoder({ ids }, context);
        const { weight, bias } = model.head;
        return linear([hidden, weight.tensor, bias?.tensor ?? null], null)
          .read()
          .slice(-weight.shape[0]);
      }),
    );
    let best = 0;
    for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
    out.push(best);
    ids = Int32Array.of(best);
  }
  cache.release();
  return out;
}
