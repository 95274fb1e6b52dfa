/** What must not change a result: cuts, packing, checkpointing, threads; and what must be the same to the bit. */
import { beforeAll, describe, expect, test } from 'vitest';
import { trainSettings, tuningSettings } from '../../tests/parity/settings.ts';
import { orderSteps } from '../data/order.ts';
import { Memory } from '../engine/memory.ts';
import { cutMicroBatches, layOut, type Row } from '../engine/micro-batches.ts';
import { methods } from '../methods/index.ts';
import { loadModel } from '../models/load.ts';
import { type ModelSource, openModel } from '../models/source.ts';
import { setThreads } from '../native/machine.ts';
import { tunings } from '../tuning/index.ts';
import { type MemoryHost, memoryHost } from './host.ts';
import type { TrainSettings } from './settings.ts';
import { type Plan, train } from './train.ts';

let source: ModelSource;
beforeAll(async () => {
  source = await openModel(
    'random:llama?hidden_size=64&intermediate_size=96&num_hidden_layers=3&seed=5',
  );
});

/** Rows of unequal length, a prompt of a third masked; some hold two documents. */
const lengths = [9, 30, 17, 41, 5, 26, 33, 12, 8, 19, 22, 37];
const rows: Row[] = lengths.map((length, row) => {
  const ids = Int32Array.from({ length }, (_, i) => (row * 31 + i * 7 + ((i * i) % 11)) % 250);
  const labels = ids.map((id, i) => (i < length / 3 ? -100 : id));
  const first = Math.floor(length / 2);
  return {
    row,
    ids,
    labels,
    documents: row % 4 === 1 ? Int32Array.of(first, length - first) : Int32Array.of(length),
  };
});
const targetsOf = (row: Row): number => layOut([row]).targets.length;

function planOf(batch: number, accumulation: number, steps = 4): Plan {
  const options = {
    rows: rows.length,
    batch,
    accumulation,
    epochs: 9,
    maxSteps: steps,
    seed: 1,
    shuffle: true,
  };
  const all = [...orderSteps(options)];
  return {
    steps,
    rows: (step) => all[step].rows,
    targets: (step) => all[step].rows.reduce((sum, row) => sum + targetsOf(rows[row]), 0),
    examples: (step) => all[step].rows.length,
    epoch: (step) => all[step].epoch,
  };
}

type Options = {
  settings?: Partial<TrainSettings>;
  tuning?: Parameters<typeof tuningSettings>[0];
  plan?: Plan;
  host?: MemoryHost;
  threads?: number;
};

async function run({
  settings = {},
  tuning = {},
  plan = planOf(2, 2),
  host = memoryHost(),
  threads = 2,
}: Options) {
  setThreads(threads);
  const memory = new Memory();
  const { family, model } = await loadModel(source, {
    memory,
    dtype: settings.bf16 ? 'bf16' : 'f32',
  });
  const tuned = tunings[tuning.finetuning_type ?? 'lora'].apply(model, {
    settings: tuningSettings(tuning),
    memory,
    seed: 3,
    adapterTargets: family.adapterTargets,
    baseModel: 'x',
  });
  await train({
    settings: trainSettings({
      do_train: true,
      learning_rate: 1e-2,
      lr_scheduler_type: 'cosine',
      weight_decay: 0.1,
      save_strategy: 'no',
      ...settings,
    }),
    method: methods['sft'],
    model,
    parameters: tuned.parameters,
    memory,
    rows: { count: rows.length, row: (row) => rows[row], place: () => undefined },
    plan,
    evalSets: [],
    host,
    saveModel: () => {},
  });
  const steps = host.events.filter((event) => event.type === 'step-end');
  const weights = [...tuned.parameters].map(([name, { tensor }]) => [name, tensor.read()] as const);
  const { weights: _, trainable: __, optimizer: ___, ...passing } = memory.account();
  for (const [name, { inUse }] of Object.entries(passing)) expect(inUse, `${name} leaks`).toBe(0);
  return {
    losses: steps.map(({ loss }) => loss),
    norms: steps.map(({ grad_norm }) => grad_norm),
    weights,
    host,
  };
}
type Result = Awaited<ReturnType<typeof run>>;

const dropped = { lora_dropout: 0.3 };

function expectSame(a: Result, b: Result, within = 1e-5): void {
  expect(a.losses.length).toBe(b.losses.length);
  for (const [i, loss] of a.losses.entries()) {
    expect(Math.abs(loss - b.losses[i]), `loss of step ${i + 1}`).toBeLessThan(within);
    expect(Math.abs(a.norms[i] / b.norms[i] - 1), `norm of step ${i + 1}`).toBeLessThan(
      10 * within,
    );
  }
}

function expectBitwise(a: Result, b: Result): void {
  expect(a.losses).toEqual(b.losses);
  expect(a.weights).toEqual(b.weights);
}

test('it learns, and a rate of zero does not', async () => {
  const learned = await run({ plan: planOf(2, 2, 12) });
  expect(learned.losses.at(-1)).toBeLessThan(learned.losses[0] - 0.05);
  const still = await run({ settings: { learning_rate: 0 } });
  for (const [name, values] of still.weights) {
    if (name.includes('lora_B')) expect(Math.max(...values.map(Math.abs))).toBe(0);
  }
});

describe('what changes no result', () => {
  test('accumulation: 8 rows as 1×8, 2×4, 8×1', async () => {
    const [a, b, c] = await Promise.all(
      [
        [1, 8],
        [2, 4],
        [8, 1],
      ].map(([batch, accumulation]) => planOf(batch, accumulation)),
    );
    const results = [await run({ plan: a }), await run({ plan: b }), await run({ plan: c })];
    expectBitwise(results[0], results[1]);
    expectBitwise(results[0], results[2]);
  });

  test('three cuts into micro-batches, with dropout', async () => {
    const cuts = [1, 60, 10_000].map((limit) => cutMicroBatches(rows.slice(0, 8), limit).length);
    expect(new Set(cuts).size).toBe(3);
    const plan = planOf(4, 2);
    const results: Result[] = [];
    for (const micro_batch_tokens of [1, 60, 10_000]) {
      results.push(await run({ plan, settings: { micro_batch_tokens }, tuning: dropped }));
    }
    expectSame(results[0], results[1]);
    expectSame(results[0], results[2]);
    const without = await run({ plan, settings: { micro_batch_tokens: 60 } });
    expect(
      Math.abs(without.losses[1] - results[1].losses[1]),
      'dropout did something',
    ).toBeGreaterThan(1e-6);
  });

  test('recomputing activations', async () => {
    for (const tuning of [dropped, { finetuning_type: 'full' as const }]) {
      expectBitwise(
        await run({ tuning }),
        await run({ tuning, settings: { disable_gradient_checkpointing: false } }),
      );
    }
  });

  test('the number of threads, to the bit', async () => {
    for (const tuning of [dropped, { finetuning_type: 'full' as const }]) {
      expectBitwise(await run({ tuning, threads: 1 }), await run({ tuning, threads: 2 }));
    }
  });

  test('running it again, to the bit', async () => {
    expectBitwise(await run({ tuning: dropped }), await run({ tuning: dropped }));
  });
});

test('each row’s loss adds up to the step’s', async () => {
  const { host, losses } = await run({});
  for (const [i, loss] of losses.entries()) {
    const of = host.losses.filter(({ step }) => step === i + 1);
    const sum = of.reduce((total, each) => total + each.sum, 0);
    const targets = of.reduce((total, each) => total + each.targets, 0);
    expect(of.length).toBe(4);
    expect(Math.abs(sum / targets - loss)).toBeLessThan(1e-6);
  }
});

test('bf16 storage learns the same within its rounding', async () => {
  const plan = planOf(2, 2, 8);
  const exact = await run({ plan });
  const rounded = await run({ plan, settings: { bf16: true } });
  expect(rounded.losses).not.toEqual(exact.losses);
  for (const [i, loss] of exact.losses.entries()) {
    expect(Math.abs(loss - rounded.losses[i])).toBeLessThan(0.02);
  }
});

test('a loss that is no number stops the run with its step and rows', async () => {
  await expect(run({ settings: { learning_rate: 1e30, max_grad_norm: 0 } })).rejects.toThrow(
    /of step \d+ is not a number/,
  );
});
