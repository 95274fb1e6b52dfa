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
  const cache = new Cache(memory, 1, prompt.length + count);
  const out: number[] = [];
  let ids = Int32Array.from(prompt);
  while (out.length < count && !stops.includes(out.at(-1) ?? -1)) {
    const context = { ...documentsContext([ids.length]), cache };
    for (let i = 0; i < ids.length; i++) context.positions[i] += cache.lengths[0];
    const logits = within({ memory, tape: null, randomness: null }, () =>
      memory.scope(() => {
        const hidden = model.decoder({ ids }, context);
        const { weight, bias } = model.head;
        return linear([hidden, weight.tensor, bias?.tensor ?? null], null)
          .read()
          .slice(-weight.shape[0]);
      }),
    );
    cache.advance(context.documents);
    let best = 0;
    for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
    out.push(best);
    ids = Int32Array.of(best);
  }
  cache.release();
  return out;
}
