/** SmolLM2-135M through our loop and through transformers + PEFT, step by step, from the same bits. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Memory } from '../../src/engine/memory.ts';
import { methods } from '../../src/methods/index.ts';
import type { Quantization } from '../../src/models/hold.ts';
import { loadModel } from '../../src/models/load.ts';
import { type ModelSource, openModel } from '../../src/models/source.ts';
import { memoryHost } from '../../src/train/host.ts';
import { train } from '../../src/train/train.ts';
import { tunings } from '../../src/tuning/index.ts';
import { readAdapter } from '../../src/tuning/peft-adapter.ts';
import { type ReferenceTrajectory, readTrajectory } from '../golden/references.ts';
import { writeSeededAdapter } from './seeded-adapter.ts';
import { trainSettings, tuningSettings } from './settings.ts';

const deep = process.env['TUNERY_DEEP'] !== undefined;

let source: ModelSource;
let adapter: string;
beforeAll(async () => {
  source = await openModel('HuggingFaceTB/SmolLM2-135M-Instruct');
  adapter = await writeSeededAdapter(source, mkdtempSync(join(tmpdir(), 'tunery-trajectory-')));
});
afterAll(() => rmSync(adapter, { recursive: true, force: true }));

async function run(
  reference: ReferenceTrajectory,
  quantization: Quantization | null = null,
  dtype: 'f32' | 'bf16' = 'f32',
) {
  const memory = new Memory();
  // What learns as a whole is f32 from the first, whatever it is multiplied as.
  const held = reference.mode === 'full' ? 'f32' : dtype;
  const { family, model } = await loadModel(source, { memory, dtype: held, quantization });
  // PEFT's own folder is where LoRA starts from.
  const adapters = reference.mode === 'lora' ? [readAdapter(adapter)] : [];
  const tuned = tunings[reference.mode].apply(model, {
    settings: tuningSettings({ finetuning_type: reference.mode }),
    memory,
    seed: 0,
    adapterTargets: family.adapterTargets,
    baseModel: 'x',
    adapters,
  });
  const flat = reference.steps.flat();
  const host = memoryHost();
  await train({
    settings: trainSettings({
      do_train: true,
      learning_rate: reference.learning_rate,
      weight_decay: reference.weight_decay,
      max_grad_norm: reference.max_grad_norm,
      lr_scheduler_type: 'constant',
      save_strategy: 'no',
      bf16: dtype === 'bf16',
    }),
    method: methods['sft'],
    model,
    parameters: tuned.parameters,
    memory,
    rows: {
      count: flat.length,
      row: (row) => ({
        row,
        ids: Int32Array.from(flat[row].input_ids),
        labels: Int32Array.from(flat[row].labels),
        documents: Int32Array.of(flat[row].input_ids.length),
      }),
      place: () => undefined,
    },
    plan: {
      steps: reference.steps.length,
      rows: (step) => reference.steps[step].map((_, i) => step * 4 + i),
      targets: (step) =>
        reference.steps[step].reduce(
          (sum, { labels }) => sum + labels.slice(1).filter((l) => l !== -100).length,
          0,
        ),
      examples: () => 4,
      epoch: (step) => step,
    },
    evalSets: [],
    host,
    saveModel: () => {},
  });
  return host.events.filter((event) => event.type === 'step-end');
}

type Steps = Awaited<ReturnType<typeof run>>;

/** The first steps alone: what is wrong with a step shows in the second, and small drift in the deep suite. */
const beginning = (reference: ReferenceTrajectory): ReferenceTrajectory =>
  deep ? reference : { ...reference, steps: reference.steps.slice(0, 4) };

function compare(steps: Steps, reference: ReferenceTrajectory, within = 1e-4): void {
  expect(steps.length).toBe(reference.steps.length);
  const differences = steps.map(({ loss }, i) => loss - reference.loss[i]);
  const worst = Math.max(...differences.map(Math.abs));
  const signed = differences.reduce((a, b) => a + b, 0) / differences.length;
  const norms = Math.max(
    ...steps.map(({ grad_norm }, i) => Math.abs(grad_norm / reference.grad_norm[i] - 1)),
  );
  console.log(
    `${reference.mode}, ${steps.length} steps: loss within ${worst.toExponential(1)}, mean ${signed.toExponential(1)}, gradient norm within ${norms.toExponential(1)}`,
  );
  expect(worst).toBeLessThan(within);
  expect(Math.abs(signed)).toBeLessThan(within / 5);
  expect(norms).toBeLessThan(10 * within);
}

/** What is lost on the way: the mean of all residuals, and of their sizes. */
function compareMeans(
  name: string,
  steps: Steps,
  reference: ReferenceTrajectory,
  most: { readonly mean: number; readonly size: number },
): void {
  const residuals = steps.map(({ loss }, i) => loss - reference.loss[i]);
  const mean = (of: readonly number[]) => of.reduce((a, b) => a + b, 0) / of.length;
  const [signed, size] = [mean(residuals), mean(residuals.map(Math.abs))];
  console.log(
    `${name}: mean residual ${signed.toExponential(1)}, mean size ${size.toExponential(1)}, worst ${Math.max(...residuals.map(Math.abs)).toExponential(1)}`,
  );
  expect(Math.abs(signed)).toBeLessThan(most.mean);
  expect(size).toBeLessThan(most.size);
}

describe('ten steps, or their beginning', () => {
  test.each(['lora-10', 'full-10'] as const)('%s', { timeout: 300_000 }, async (name) => {
    const reference = beginning(readTrajectory(name));
    compare(await run(reference), reference);
  });
});

/** With the blocks of the file the weights are the same numbers, expanded when they are multiplied. */
test.runIf(deep)(
  'ten steps on the blocks of the GGUF file as they lie',
  { timeout: 300_000 },
  async () => {
    const reference = readTrajectory('lora-10');
    compare(await run(reference, { to: 'stored' }), reference);
  },
);

describe.runIf(deep)('fifty steps', () => {
  test.each(['lora-50', 'full-50'] as const)('%s', { timeout: 1_200_000 }, async (name) => {
    const reference = readTrajectory(name);
    compare(await run(reference), reference);
  });

  // Measured for LoRA in bf16: −1.2e-3 and 3.2e-3, with attention in pairs on AMX 9.8e-4 and 3.0e-3; in int8: 5.1e-2 to 5.7e-2, which is what rounding the activations to whole numbers costs.
  // Full in bf16: 1.2e-3 and 2.6e-3 on AVX2, and with a last bit of SwiGLU's changed 2.2e-3 and 3.3e-3; 3.0e-3 and 3.5e-3 on AVX-512, 1.6e-3 to 2.7e-3 and 2.5e-3 to 3.5e-3 on AMX.
  test.each([
    ['lora-50', 'bf16', { mean: 2e-3, size: 4e-3 }],
    ['full-50', 'bf16', { mean: 4e-3, size: 5e-3 }],
    ['lora-50', 'int8', { mean: 6e-2, size: 6e-2 }],
  ] as const)('%s in %s', { timeout: 1_200_000 }, async (name, kind, most) => {
    const reference = readTrajectory(name);
    const steps =
      kind === 'int8'
        ? await run(reference, { to: 'INT8', integer: true })
        : await run(reference, null, 'bf16');
    compareMeans(`${name} in ${kind}`, steps, reference, most);
  });
});

/** Bitsandbytes’ NF4 under transformers and PEFT, on the same steps. Measured: 2.3e-5; in bf16 −3.1e-4 and 4.5e-3. */
describe('fifty steps of QLoRA, or their beginning', () => {
  test('nf4-50 in f32', { timeout: 1_200_000 }, async () => {
    const reference = beginning(readTrajectory('nf4-50'));
    const steps = await run(reference, { to: 'NF4', nested: false });
    const [plain] = readTrajectory('lora-50').loss;
    console.log(
      `loss at step 1: ${steps[0].loss.toFixed(4)} in NF4, ${plain.toFixed(4)} unquantized`,
    );
    compare(steps, reference, 1e-3);
  });

  test.runIf(deep)('nf4-50 in bf16', { timeout: 1_200_000 }, async () => {
    const reference = readTrajectory('nf4-50');
    compareMeans('nf4-50', await run(reference, { to: 'NF4', nested: false }, 'bf16'), reference, {
      mean: 4e-3,
      size: 1e-2,
    });
  });
});
