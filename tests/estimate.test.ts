import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../src/config/load.ts';
import { Memory, memoryClasses } from '../src/engine/memory.ts';
import { CostModel } from '../src/estimate/cost-model.ts';
import { dryRun, type RowShape } from '../src/estimate/dry-run.ts';
import { openForEstimate } from '../src/estimate/dry-source.ts';
import { estimate } from '../src/estimate/estimate.ts';
import { sampleSteps } from '../src/estimate/sample.ts';
import { add } from '../src/kernels/elementwise.ts';
import { methods } from '../src/methods/index.ts';
import { openModel } from '../src/models/source.ts';
import { residentMemory } from '../src/native/memory.ts';
import { memoryHost } from '../src/train/host.ts';
import type { Job } from '../src/train/job.ts';
import { loadToTrain, tune } from '../src/train/load.ts';
import { train } from '../src/train/train.ts';

const model =
  'random:llama?hidden_size=64&intermediate_size=96&num_hidden_layers=3&vocab_size=300&seed=5';

const jobOf = (...settings: string[]): Job =>
  loadConfig({
    overrides: [`model_name_or_path=${model}`, 'stage=sft', 'dataset=x', ...settings],
    command: 'train',
  }).job;

const row = (...documents: number[]): RowShape => ({
  documents,
  targets: documents.reduce((sum, tokens) => sum + tokens - 1, 0),
});
const steps = [[row(40), row(9, 30)], [row(64)], [row(5), row(17), row(28)]];

/** What the pools of a real training reserve, on the same rows. */
async function really(job: Job) {
  const memory = new Memory();
  const loaded = await loadToTrain(job, await openModel(model), memory);
  const tuned = tune(job, loaded, memory, []);
  const rows = steps.flat().map(({ documents }, index) => {
    const length = documents.reduce((a, b) => a + b, 0);
    const ids = Int32Array.from({ length }, (_, i) => (index * 31 + i * 7) % 250);
    return { row: index, ids, labels: ids.slice(), documents: Int32Array.from(documents) };
  });
  const starts = steps.map((_, i) => steps.slice(0, i).flat().length);
  await train({
    settings: { ...job.train, do_train: true, save_strategy: 'no' },
    method: methods['sft'],
    model: loaded.model,
    parameters: tuned.parameters,
    memory,
    rows: { count: rows.length, row: (i) => rows[i], place: () => undefined },
    plan: {
      steps: steps.length,
      rows: (step) => steps[step].map((_, i) => starts[step] + i),
      targets: (step) => steps[step].reduce((sum, { targets }) => sum + targets, 0),
      examples: (step) => steps[step].length,
      epoch: (step) => step,
    },
    evalSets: [],
    host: memoryHost(),
    saveModel: () => {},
  });
  return Object.fromEntries(memoryClasses.map((name) => [name, memory[name].reserved]));
}

describe('a dry run reserves what a real training does, to the byte', () => {
  test.each([
    ['LoRA', ['finetuning_type=lora']],
    ['LoRA that recomputes', ['finetuning_type=lora', 'gradient_checkpointing=true']],
    ['LoRA that keeps all', ['finetuning_type=lora', 'gradient_checkpointing=false']],
    ['LoRA with dropout', ['finetuning_type=lora', 'lora_dropout=0.1']],
    ['LoRA in bf16', ['finetuning_type=lora', 'bf16=true']],
    ['QLoRA', ['finetuning_type=lora', 'bf16=true', 'quantization_bit=4']],
    ['QLoRA, scales quantized', ['quantization_bit=4', 'double_quantization=true']],
    ['8 bits', ['finetuning_type=lora', 'quantization_bit=8']],
    ['full', ['finetuning_type=full']],
    ['full in bf16', ['finetuning_type=full', 'bf16=true']],
    ['short micro-batches', ['finetuning_type=full', 'micro_batch_tokens=40']],
  ])('%s', async (_, settings) => {
    const job = jobOf(...settings);
    const source = await openForEstimate(model, {});
    const { memory } = await dryRun(job, source, steps, new Memory());
    expect(memory).toEqual(await really(job));
  });
});

test('nothing is computed, and kernels run again afterwards', async () => {
  const large =
    'random:llama?hidden_size=2048&intermediate_size=8192&num_hidden_layers=8&vocab_size=32000';
  const before = residentMemory();
  const source = await openForEstimate(large, {});
  const dry = await dryRun(jobOf('finetuning_type=full'), source, [[row(2000)]], new Memory());
  expect(dry.parameters.all).toBe(dry.parameters.trainable);
  expect(dry.memory.optimizer).toBeGreaterThan(8 * 5e8);
  expect(residentMemory() - before).toBeLessThan(300e6);
  const y = new Float32Array(1);
  add.run(Float32Array.of(1), Float32Array.of(2), y);
  expect(y[0]).toBe(3);
});

test('memory is linear in the tokens of a micro-batch, and so is work but for attention', async () => {
  const source = await openForEstimate(model, {});
  const job = jobOf('finetuning_type=lora', 'micro_batch_tokens=9000');
  const at = async (tokens: number) => {
    const { memory, steps } = await dryRun(job, source, [[row(tokens)]], new Memory());
    const flops = (attention: boolean): number =>
      steps[0].learn.sum(({ rate, flops }) =>
        rate.startsWith('attention') === attention ? flops : 0,
      );
    return { activations: memory.activations, plain: flops(false), attention: flops(true) };
  };
  const [one, two, eight] = [await at(1024), await at(2048), await at(8192)];
  expect(two.activations / one.activations).toBeCloseTo(2, 1);
  expect(eight.activations / one.activations).toBeCloseTo(8, 1);
  // All but the position before the first are asked for: nearly the same for each token.
  expect(eight.plain / one.plain).toBeCloseTo(8, 1);
  expect(eight.attention / one.attention).toBeCloseTo(64, -1);
});

describe('a folder with nothing but a config.json', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunery-config-only-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  test('can be estimated', async () => {
    const config = {
      ...{ model_type: 'llama', vocab_size: 32000, hidden_size: 4096, intermediate_size: 11008 },
      ...{ num_hidden_layers: 32, num_attention_heads: 32, torch_dtype: 'bfloat16' },
    };
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    const source = await openForEstimate(folder, {});
    const job = jobOf(
      'finetuning_type=lora',
      'bf16=true',
      'quantization_bit=4',
      'double_quantization=false',
    );
    const { parameters, memory } = await dryRun(job, source, [[row(256)]], new Memory());
    expect(parameters.all).toBe(6_738_415_616);
    // 4.5 bits a weight of linear layers, 16 of the embedding and the head.
    expect(memory.packed / 6_476_005_376).toBeCloseTo(4.5 / 8, 2);
  });
});

test('time: the sum of what each call is known to take, scaled to the run', async () => {
  const facts = { peak: 1, bandwidth: 1, callSeconds: 0 };
  const model = CostModel.of({ facts, rates: {} });
  const sample = sampleSteps({ steps: 10, rows: () => steps[0] }, 1024);
  const source = await openForEstimate('random:llama?vocab_size=300', {});
  const { estimate: said } = await estimate(jobOf('finetuning_type=lora'), source, sample, {
    ...{ model, budget: 0, process: 5 },
  });
  expect(said.steps).toBe(10);
  expect(said.step.tokens).toBe(79);
  expect(said.seconds).toBeCloseTo(10 * said.step.seconds);
  expect(said.step.seconds).toBeGreaterThan(said.step.flops / 0.6e9);
  expect(said.memory.kinds.process).toBe(5);
  const sum = Object.values(said.memory.kinds).reduce((a, b) => a + b, 0);
  expect(said.memory.total).toBe(sum);
});

test('the first step of a sample has the largest micro-batch of the run', () => {
  const run = [[row(10)], [row(600), row(600)], [row(900), row(90)], [row(50)]];
  const sample = sampleSteps({ steps: 4, rows: (step) => run[step] }, 1024);
  expect(sample.steps[0]).toEqual(run[2]);
  expect(sample.mean.tokens).toBe((10 + 1200 + 990 + 50) / 4);
});
