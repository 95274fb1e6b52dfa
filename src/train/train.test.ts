/** What must not change a result: cuts, packing, checkpointing, threads; and what must be the same to the bit. */
import { beforeAll, describe, expect, test } from 'vitest';
import { trainSettings, tuningSettings } from '../../tests/parity/settings.ts';
import { orderSteps } from '../data/order.ts';
import { Memory } from '../engine/memory.ts';
import { layOut, type Row } from '../engine/micro-batches.ts';
import { methods } from '../methods/index.ts';
import { loadModel } from '../models/load.ts';
import { type ModelSource, openModel } from '../models/source.ts';
import { setThreads } from '../native/machine.ts';
import { tunings } from '../tuning/index.ts';
import { type MemoryHost, memoryHost } from './host.ts';
import type { Plan } from './loop.ts';
import type { TrainSettings } from './settings.ts';
import { train } from './train.ts';

const name = 'random:llama?hidden_size=64&intermediate_size=96&num_hidden_layers=3&seed=5';
let model: ModelSource;
beforeAll(async () => {
  model = await openModel(name);
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
  source?: ModelSource;
  of?: readonly Row[];
  settings?: Partial<TrainSettings>;
  tuning?: Parameters<typeof tuningSettings>[0];
  plan?: Plan;
  host?: MemoryHost;
  threads?: number;
};

async function run({
  source = model,
  of = rows,
  settings = {},
  tuning = {},
  plan = planOf(2, 2),
  host = memoryHost(),
  threads = 2,
}: Options) {
  setThreads(threads);
  const memory = new Memory();
  const { family, model: loaded } = await loadModel(source, {
    memory,
    dtype: settings.bf16 ? 'bf16' : 'f32',
  });
  const tuned = tunings[tuning.finetuning_type ?? 'lora'].apply(loaded, {
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
    model: loaded,
    parameters: tuned.parameters,
    memory,
    rows: { count: of.length, row: (row) => of[row], place: (row) => ({ file: 'x.json', row }) },
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
    /** At their peak. */
    activations: passing.activations.peak,
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
  test('accumulation: 8 rows as 1×8, 2×4, 8×1, and the 4 that are left of an epoch', async () => {
    const results: Result[] = [];
    for (const [batch, accumulation] of [
      [1, 8],
      [2, 4],
      [8, 1],
    ]) {
      const plan = planOf(batch, accumulation);
      expect([0, 1, 2, 3].map((step) => plan.examples(step))).toEqual([8, 4, 8, 4]);
      results.push(await run({ plan, tuning: dropped }));
    }
    expectBitwise(results[0], results[1]);
    expectBitwise(results[0], results[2]);
  });

  test.each([
    ['LoRA with dropout', dropped],
    ['all weights', { finetuning_type: 'full' as const }],
  ])('three cuts into micro-batches: %s', async (_, tuning) => {
    const plan = planOf(4, 2);
    const results: Result[] = [];
    const counts: number[] = [];
    // One row each, so each document that stands alone is a micro-batch; a few; all of a step end to end.
    for (const micro_batch_tokens of [1, 60, 10_000]) {
      const host = memoryHost();
      let count = 0;
      const turn = (): Promise<void> => {
        count++;
        return host.turn();
      };
      results.push(
        await run({ plan, settings: { micro_batch_tokens }, tuning, host: { ...host, turn } }),
      );
      counts.push(count);
    }
    expect(counts[0]).toBe(8 + 4 + 8 + 4);
    expect(counts[1]).toBeLessThan(counts[0]);
    expect(counts[1]).toBeGreaterThan(counts[2]);
    expect(counts[2]).toBe(4);
    expectSame(results[0], results[1]);
    expectSame(results[0], results[2]);
  });

  test('dropout does something from the second step on', async () => {
    const plan = planOf(4, 2);
    const [on, off] = [await run({ plan, tuning: dropped }), await run({ plan })];
    // The first step’s B is zero, so nothing can differ before the second.
    expect(on.losses[0]).toBe(off.losses[0]);
    expect(Math.abs(on.losses[1] - off.losses[1])).toBeGreaterThan(1e-6);
  });

  test('documents end to end in one row, or each a row of its own', async () => {
    const planFor = (of: readonly Row[]): Plan => ({
      steps: 3,
      rows: () => of.map((_, i) => i),
      targets: () => of.reduce((sum, row) => sum + targetsOf(row), 0),
      examples: () => of.length,
      epoch: (step) => step + 1,
    });
    const packed: Row[] = [];
    const apart: Row[] = [];
    for (let from = 0; from < 9; from += 3) {
      const three = rows.slice(from, from + 3).map((row) => ({
        ...row,
        documents: Int32Array.of(row.ids.length),
      }));
      for (const row of three) apart.push({ ...row, row: apart.length });
      packed.push({
        row: packed.length,
        ids: Int32Array.from(three.flatMap(({ ids }) => [...ids])),
        labels: Int32Array.from(three.flatMap(({ labels }) => [...labels])),
        documents: Int32Array.from(three.map(({ ids }) => ids.length)),
      });
    }
    for (const tuning of [{}, { finetuning_type: 'full' as const }]) {
      const settings = { micro_batch_tokens: 1 };
      const one = await run({ of: packed, plan: planFor(packed), settings, tuning });
      const each = await run({ of: apart, plan: planFor(apart), settings, tuning });
      expectSame(one, each);
    }
  });

  test('recomputing activations', async () => {
    for (const tuning of [dropped, { finetuning_type: 'full' as const }]) {
      const recomputing = (value: TrainSettings['gradient_checkpointing']) =>
        run({ tuning, settings: { gradient_checkpointing: value } });
      const [nothing, some, blocks] = [
        await recomputing(false),
        await recomputing('selective'),
        await recomputing(true),
      ];
      expect(some.activations, 'bytes that are held at once').toBeLessThan(
        0.85 * nothing.activations,
      );
      expect(blocks.activations).toBeLessThan(0.8 * nothing.activations);
      expectBitwise(nothing, some);
      expectBitwise(nothing, blocks);
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

test('LoRA+ moves each B of an adapter by the ratio, and nothing else', async () => {
  const settings = { lr_scheduler_type: 'constant', weight_decay: 0 } as const;
  const plan = planOf(2, 2, 1);
  const plain = new Map((await run({ settings, plan })).weights);
  const plus = new Map(
    (await run({ settings: { ...settings, loraplus_lr_ratio: 16 }, plan })).weights,
  );
  for (const [name, values] of plain) {
    // B begins at zero, so what it is after a step is how far it went.
    const ratio = name.includes('lora_B') ? 16 : 1;
    for (const [i, value] of values.entries()) {
      expect(plus.get(name)?.[i], `${name}[${i}]`).toBeCloseTo(ratio * value, 6);
    }
  }
  expect([...plain].some(([name, values]) => name.includes('lora_B') && values[0] !== 0)).toBe(
    true,
  );
});

test('`optim: adamw_8bit` learns nearly the same with other moments', async () => {
  // Parameters of fewer than 4,096 numbers keep exact moments: an adapter of this model has no others.
  const tuning = { finetuning_type: 'full' } as const;
  const settings = { learning_rate: 1e-3 };
  const exact = await run({ tuning, settings });
  const coarse = await run({ tuning, settings: { ...settings, optim: 'adamw_8bit' } });
  expect(coarse.losses).not.toEqual(exact.losses);
  for (const [i, loss] of coarse.losses.entries()) {
    expect(Math.abs(loss - exact.losses[i])).toBeLessThan(2e-2);
  }
});

test('a loss that is no number stops the run with its step, its rows and the likely cause', async () => {
  const settings = { learning_rate: 1e30, max_grad_norm: 0 };
  await expect(run({ settings })).rejects.toMatchObject({
    code: 'train/non-finite',
    message: expect.stringMatching(/^the (loss|gradient norm) of step [2-4] is not a number$/),
    place: { file: 'x.json', row: expect.any(Number) },
    help: expect.stringMatching(
      /^the likely cause is a learning rate that is too high \([\d.]+e\+(29|30) at this step\): .*; it came from x\.json \(row \d+\)/,
    ),
  });
  const damaged = await openModel(name);
  const weights: typeof damaged.weights = {
    ...damaged.weights,
    get: (weight) => ({
      ...damaged.weights.get(weight),
      read: (into) => void into.fill(Number.NaN),
    }),
  };
  await expect(run({ source: { ...damaged, weights } })).rejects.toMatchObject({
    message: 'the loss of step 1 is not a number',
    help: expect.stringContaining('damaged weights are the likely cause'),
  });
});
