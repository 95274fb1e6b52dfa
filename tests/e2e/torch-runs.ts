/**
 * @file Trainings of the torch engine for its tests: the real program with a real Python, on a tiny model. Deep, with
 * `TUNERY_ORACLE_PYTHON` set; what needs DeepSpeed or bitsandbytes is skipped by name where that Python has none.
 * With `TUNERY_TORCH=1` a short leg runs in the fast suite, in the environment that `tunery engine install` made.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { environment } from '../../src/native/environment.ts';
import { installedPython } from '../../src/runs/engines/torch-environment.ts';
import { eventsName, readEvents } from '../../src/runs/events-file.ts';
import { makePlace, type Place } from './cli.ts';

const leg = environment('TUNERY_TORCH') !== undefined;
export const python = environment('TUNERY_ORACLE_PYTHON') ?? (leg ? installedPython() : undefined);
export const deep = environment('TUNERY_DEEP') !== undefined;
export const there = (deep || leg) && python !== undefined;
const identity = fileURLToPath(new URL('../../data/identity.json', import.meta.url));
export const worker = fileURLToPath(new URL('../../workers/torch', import.meta.url));

export const has = (module: string): boolean =>
  there && spawnSync(python!, ['-c', `import ${module}`]).status === 0;

export type Settings = Readonly<Record<string, string | number | boolean>>;

const base: Settings = {
  model_name_or_path: 'random:llama?hidden_size=64&num_hidden_layers=2',
  dataset: 'identity.json',
  cutoff_len: 128,
  per_device_train_batch_size: 4,
  global_batch_size: 8,
  learning_rate: 1e-3,
  max_steps: 6,
  logging_steps: 1,
  save_steps: 3,
  // Two ranks and their leader share two cores: threads that wait for each other would spin.
  threads: 1,
};
export const torch: Settings = { engine: 'torch', engine_python: python ?? '' };
export const full: Settings = { finetuning_type: 'full', packing: true };
export const two: Settings = { nproc_per_node: 2 };

/** Starts trainings in a folder that has `identity.json`. */
export type TorchRuns = {
  readonly place: Place;
  readonly asArguments: (folder: string, ...settings: readonly Settings[]) => string[];
  /** Runs it to its end; the losses of its steps. */
  readonly train: (folder: string, ...settings: readonly Settings[]) => Promise<number[]>;
};

export function torchRuns(): TorchRuns {
  // Two ranks on two cores, and a compiler for some.
  const place = makePlace(undefined, 280_000);
  copyFileSync(identity, place.at('identity.json'));
  const asArguments = (folder: string, ...settings: readonly Settings[]): string[] =>
    Object.entries(Object.assign({ output_dir: folder }, base, ...settings)).map(
      ([key, value]) => `${key}=${value}`,
    );
  return {
    place,
    asArguments,
    async train(folder, ...settings) {
      const ended = await place.run('train', ...asArguments(folder, ...settings));
      expect(ended, ended.err).toMatchObject({ code: 0, hung: false });
      return losses(place.at(folder));
    },
  };
}

/** DeepSpeed compiles a part of itself at its first use, in a minute or more. */
export function compileDeepspeed(): void {
  if (!deep || !has('deepspeed')) return;
  const build = 'from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder as B; B().load()';
  spawnSync(python!, ['-c', build], { env: { ...process.env, DS_ACCELERATOR: 'cpu' } });
}

export function losses(folder: string): number[] {
  const steps = new Map<number, number>();
  try {
    for (const event of readEvents(join(folder, eventsName)))
      if (event.type === 'step-end') steps.set(event.step, event.loss);
  } catch {
    // Not begun.
  }
  return [...steps].sort(([a], [b]) => a - b).map(([, loss]) => loss);
}

export function expectClose(
  name: string,
  found: readonly number[],
  wanted: readonly number[],
  within: number,
): void {
  expect(found).toHaveLength(wanted.length);
  const differences = found.map((loss, i) => Math.abs(loss - wanted[i]!));
  console.log(`${name}: losses within ${Math.max(...differences).toExponential(1)}`);
  expect(Math.max(...differences)).toBeLessThan(within);
}
