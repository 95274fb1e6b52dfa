/**
 * @file The job that training is measured by: LoRA SFT of SmolLM2-135M-Instruct on identity, alpaca_en_demo and
 * alpaca_zh_demo, 2,090 rows, `cutoff_len: 1024`, rank 8 on all linear layers, 8 rows a step as in the quick start.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { z } from 'zod';
import { loadConfig } from '../src/config/load.ts';
import type { Prepared } from '../src/data/prepared.ts';
import { openModel } from '../src/models/source.ts';
import { planOfJob } from '../src/runs/plan-of-job.ts';
import { prepareJob } from '../src/runs/prepare-job.ts';

export const smollm2 = 'HuggingFaceTB/SmolLM2-135M-Instruct';
export const cutoff = 1024;
/** Rows of a batch, and batches of a step, as in examples/smollm2_lora_sft.yaml. */
const batch = 4;
const accumulation = 2;
const perStep = batch * accumulation;

/**
 * What forms a step: rows, or packs of up to `cutoff_len` tokens (`neat_packing`), two of which hold about as many
 * tokens as eight rows.
 */
export type Batches = 'rows' | 'packs';

export type Length = {
  /** Steps that are measured, after those of warm-up. In rows, all of warm-up have the rows of the first. */
  readonly steps: number;
  readonly warmup: number;
};

const read = (name: string): Buffer => readFileSync(new URL(`../${name}`, import.meta.url));
const rowsOf = (text: Buffer): unknown[] => z.array(z.unknown()).parse(JSON.parse(text.toString()));

/** All rows of the job, the three sets mixed by a stride that visits each once. */
function mixedRows(): unknown[] {
  const rows = [
    ...rowsOf(read('data/identity.json')),
    ...rowsOf(read('data/alpaca_en_demo.json')),
    ...rowsOf(brotliDecompressSync(read('tests/fixtures/demo/alpaca_zh_demo.json.br'))),
  ];
  const stride = 1009; // a prime that does not divide 2,090
  return rows.map((_, i) => rows[(i * stride) % rows.length]);
}

/** Writes the rows of so many steps, in order, and gives the file's path. */
export function writeRows(folder: string, batches: Batches, { steps, warmup }: Length): string {
  const all = mixedRows();
  const first = all.slice(0, perStep);
  // A pack is never quite full, and is composed of rows from anywhere in the file: some more are needed.
  const rows =
    batches === 'rows'
      ? [
          ...Array.from({ length: warmup }, () => first).flat(),
          ...all.slice(perStep, (steps + 1) * perStep),
        ]
      : all.slice(0, Math.ceil(1.6 * (steps + warmup)) * perStep);
  if (rows.length < (steps + warmup) * perStep) throw new Error('the job has fewer rows than that');
  const path = join(folder, `${batches}.json`);
  writeFileSync(path, JSON.stringify(rows));
  return path;
}

/** What the steps have in common, in the words of both Tunery and LLaMA-Factory. */
export const jobSettings = (
  batches: Batches,
  { steps, warmup }: Length,
): Readonly<Record<string, string | number | boolean>> => ({
  stage: 'sft',
  cutoff_len: cutoff,
  disable_shuffling: true,
  per_device_train_batch_size: batches === 'rows' ? batch : 1,
  gradient_accumulation_steps: accumulation,
  ...(batches === 'packs' && { neat_packing: true }),
  max_steps: steps + warmup,
  lr_scheduler_type: 'constant',
  weight_decay: 0,
  max_grad_norm: 1,
  logging_steps: 1,
  save_strategy: 'no',
});

export const asArguments = (settings: Readonly<Record<string, string | number | boolean>>) =>
  Object.entries(settings).map(([key, value]) => `${key}=${value}`);

/** Ids and labels of one step's rows. */
export type StepRow = {
  readonly ids: readonly number[];
  readonly labels: readonly number[];
  /** Lengths of its documents. */
  readonly documents: readonly number[];
};

/** Every step of a run, by the very plan that the engine follows. */
export async function stepsOf(settings: readonly string[]): Promise<readonly StepRow[][]> {
  const { job } = loadConfig({ overrides: settings, command: 'train' });
  const source = await openModel(job.model.model_name_or_path);
  const { sets } = await prepareJob(job, source);
  if (!sets.train) throw new Error('the job has no rows');
  const prepared: Prepared = sets.train;
  const plan = planOfJob(job, prepared);
  return Array.from({ length: plan.steps }, (_, step) =>
    Array.from(plan.rows(step), (row) => ({
      ids: [...prepared.ids(row)],
      labels: [...prepared.labels(row)],
      documents: [...prepared.documents(row)],
    })),
  );
}
