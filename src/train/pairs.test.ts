/** Replies that share a prompt against the same replies each behind a copy of it: log-probabilities, and LoRA's gradients. */
import { describe, expect, test } from 'vitest';
import { tuningSettings } from '../../tests/parity/settings.ts';
import { Memory } from '../engine/memory.ts';
import { apart, layOut, type MicroBatch, type RepliesRow } from '../engine/micro-batches.ts';
import { within } from '../engine/session.ts';
import { Tape } from '../engine/tape.ts';
import { numbers } from '../kernels/testing.ts';
import { loadModel } from '../models/load.ts';
import { openModel } from '../models/source.ts';
import { lora } from '../tuning/lora.ts';
import { policyOf } from './policy.ts';

/** Seeded pairs of the given lengths; a few tokens of each reply teach nothing. */
function pairs(lengths: readonly (readonly number[])[], V: number): RepliesRow[] {
  const draw = (length: number, seed: number) =>
    Int32Array.from(numbers(length, seed, 0, V), Math.floor);
  return lengths.map(([prompt, ...replies], row) => ({
    row,
    prompt: draw(prompt, 3 * row + 1),
    replies: replies.map((length, i) => {
      const ids = draw(length, 100 * row + i + 50);
      return { ids, labels: ids.map((id, at) => (at % 7 === 3 ? -100 : id)) };
    }),
  }));
}

async function compare(name: string, rows: readonly RepliesRow[], checkpointing: boolean) {
  const memory = new Memory();
  const { family, model } = await loadModel(await openModel(name), { memory, dtype: 'f32' });
  const { parameters } = lora.apply(model, {
    settings: tuningSettings({ lora_rank: 4, lora_alpha: 8 }),
    memory,
    seed: 1,
    adapterTargets: family.adapterTargets,
    baseModel: name,
  });
  // B begins as zeros, and A would have no gradient.
  let seed = 0;
  for (const [weight, { tensor }] of parameters) {
    if (weight.includes('lora_B'))
      tensor.data.set(numbers(tensor.data.length, ++seed, -0.05, 0.05));
  }
  const policy = policyOf(model, { checkpointing });
  const of = (batch: MicroBatch) => {
    const tape = new Tape(memory);
    const logp = within({ memory, tape, randomness: null }, () =>
      memory.scope(() => {
        const y = policy.logp(batch);
        const dy = memory.gradients.like(y);
        // Of both signs, as a preference loss weighs its replies.
        dy.data.set(numbers(dy.data.length, 9, -1, 1));
        tape.backward([[y, dy]]);
        return Float64Array.from(y.read());
      }),
    );
    const gradients = Array.from(parameters, ([weight, parameter]) => {
      const grad = Float64Array.from(parameter.grad?.read() ?? []);
      parameter.clearGrad();
      return [weight, grad] as const;
    });
    return { logp, gradients };
  };
  return { shared: of(layOut(rows)), alone: of(layOut(rows.flatMap(apart))) };
}

const norm = (values: Float64Array) => Math.hypot(...values);

function expectEqual({ shared, alone }: Awaited<ReturnType<typeof compare>>): void {
  expect(shared.logp.length).toBeGreaterThan(0);
  for (const [i, value] of alone.logp.entries()) {
    expect(Math.abs(shared.logp[i] - value), `log-probability ${i}`).toBeLessThan(1e-5);
  }
  for (const [i, [weight, grad]] of alone.gradients.entries()) {
    const difference = grad.map((value, at) => shared.gradients[i][1][at] - value);
    expect(norm(grad), weight).toBeGreaterThan(0);
    expect(norm(difference) / norm(grad), weight).toBeLessThan(1e-5);
  }
}

const tiny =
  'random:llama?hidden_size=64&intermediate_size=96&num_attention_heads=4&num_key_value_heads=2&num_hidden_layers=3&vocab_size=259&seed=3';

describe.each([false, true])('recomputing each block %s', (checkpointing) => {
  test('a tiny model', async () => {
    const lengths = [
      [40, 17, 23],
      [1, 5, 1],
      [130, 30, 140],
      [0, 3, 9],
      [25, 8, 2, 13],
    ];
    expectEqual(await compare(tiny, pairs(lengths, 259), checkpointing));
  });

  test.runIf(process.env['TUNERY_DEEP'])('SmolLM2-135M', async () => {
    const name = 'HuggingFaceTB/SmolLM2-135M-Instruct';
    const lengths = [
      [150, 60, 90],
      [33, 120, 20],
    ];
    expectEqual(await compare(name, pairs(lengths, 40_000), checkpointing));
  });
});

test('a reply does not see another', async () => {
  const [first, second] = [[[30, 12, 20]], [[30, 12, 20]]].map((lengths) => pairs(lengths, 259)[0]);
  const changed = {
    ...second,
    replies: [second.replies[0], pairs([[1, 1, 20]], 250)[0].replies[1]],
  };
  const [a, b] = [await compare(tiny, [first], false), await compare(tiny, [changed], false)];
  const targets = first.replies[0].labels.filter((label) => label !== -100).length;
  expect(a.shared.logp.slice(0, targets)).toEqual(b.shared.logp.slice(0, targets));
  expect(a.shared.logp.slice(targets)).not.toEqual(b.shared.logp.slice(targets));
});
