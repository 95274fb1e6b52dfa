/** @file One run of a contestant, in a process of its own, from the weights and on the rows that all share. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportModel } from '../../src/export/export-model.ts';
import { openModel } from '../../src/models/source.ts';
import { writeSeededAdapter } from '../../tests/parity/seeded-adapter.ts';
import {
  asArguments,
  type Batches,
  jobSettings,
  type Length,
  type StepRow,
  stepsOf,
  writeRows,
} from '../job.ts';
import { runProgram, runTunery } from '../program.ts';
import { type Measured, measured, peerStepsOf, tuneryStepsOf } from '../steps.ts';
import type { Contestant, Format } from './contestants.ts';
import type { EnvironmentName } from './environments.ts';

/** Padded positions of one micro-batch of the loop: two long rows, or many short ones. */
const loopPositions = 2048;
/** What LLaMA-Factory calls the template of this model; unlike the model's own it teaches the line end behind a reply. */
const template = 'smollm2';

export type Arena = {
  /** Folder of everything that is written. */
  readonly folder: string;
  readonly length: Length;
  readonly prefix: readonly string[];
  readonly pythonOf: (name: EnvironmentName) => string;
  readonly rows: Readonly<Record<Batches, string>>;
  readonly bases: Readonly<Record<Format, string>>;
  readonly adapter: string;
};

/** Writes what all share: rows, the base in f32 and bf16 as Hugging Face has it, one adapter whose B is not zero. */
export async function prepareArena(
  model: string,
  arena: Pick<Arena, 'folder' | 'length' | 'prefix' | 'pythonOf'>,
): Promise<Arena> {
  const { folder, length } = arena;
  mkdirSync(folder, { recursive: true });
  const source = await openModel(model);
  // By the model's digest: what an earlier run has written is whole, and still right.
  const base = async (dtype: 'float32' | 'bfloat16', name: string): Promise<string> => {
    const path = join(folder, `${name}-${source.digest.slice(0, 8)}`);
    if (existsSync(path)) return path;
    const spec = { adapters: [], opened: undefined, dtype, shardBytes: 5e9, version: 'bench' };
    await exportModel({ source, folder: path, ...spec });
    return path;
  };
  const bases = {
    f32: await base('float32', 'base-f32'),
    bf16: await base('bfloat16', 'base-bf16'),
  };
  const rows = {
    rows: writeRows(folder, 'rows', length),
    packs: writeRows(folder, 'packs', length),
  };
  const info = Object.entries(rows).map(([name, path]) => [name, { file_name: path }]);
  writeFileSync(join(folder, 'dataset_info.json'), JSON.stringify(Object.fromEntries(info)));
  const adapter = await writeSeededAdapter(await openModel(bases.f32), join(folder, 'adapter'));
  return { ...arena, rows, bases, adapter };
}

/** Settings that both Tunery and LLaMA-Factory read, but for where the rows lie. */
const settingsOf = (arena: Arena, { batches, trains, base, settings }: Contestant) => ({
  model_name_or_path: arena.bases[base],
  ...(trains === 'lora' && { adapter_name_or_path: arena.adapter }),
  ...jobSettings(batches, arena.length),
  template,
  ...settings,
});

const tuneryArguments = (arena: Arena, contestant: Contestant): string[] =>
  asArguments({ ...settingsOf(arena, contestant), dataset: arena.rows[contestant.batches] });

/** The rows of each step, by Tunery's own plan. It prepares them, too: what is measured begins with a warm cache. */
export const stepsOfContestant = (
  arena: Arena,
  contestant: Contestant,
): Promise<readonly StepRow[][]> => stepsOf(tuneryArguments(arena, contestant));

export async function runContestant(arena: Arena, contestant: Contestant): Promise<Measured> {
  const { folder, length, prefix } = arena;
  const { by } = contestant;
  if (by === 'tunery') {
    const output = join(folder, 'out-tunery');
    rmSync(output, { recursive: true, force: true });
    const out = [`output_dir=${output}`, '--json'];
    const ran = await runTunery(['train', ...tuneryArguments(arena, contestant), ...out], {
      cwd: folder,
      prefix,
    });
    return measured(ran, tuneryStepsOf(ran), length);
  }
  const [script, job] =
    by === 'llamafactory'
      ? ['train_llamafactory.py', llamaFactoryJob(arena, contestant)]
      : ['train_loop.py', await loopJob(arena, contestant)];
  // What another kind of run left there confuses the one that follows.
  rmSync(join(folder, 'out-llamafactory'), { recursive: true, force: true });
  const file = join(folder, `${by}.json`);
  writeFileSync(file, JSON.stringify(job));
  const ran = await runProgram(
    arena.pythonOf(by),
    [fileURLToPath(new URL(script, import.meta.url)), file],
    { cwd: folder, prefix, env: { HF_HOME: join(folder, 'cache'), HF_HUB_OFFLINE: '1' } },
  );
  return measured(ran, peerStepsOf(ran), length);
}

const llamaFactoryJob = (arena: Arena, contestant: Contestant) => ({
  ...settingsOf(arena, contestant),
  do_train: true,
  dataset: contestant.batches,
  dataset_dir: arena.folder,
  output_dir: join(arena.folder, 'out-llamafactory'),
  overwrite_output_dir: true,
  report_to: 'none',
  use_cpu: true,
});

const loopJob = async (arena: Arena, contestant: Contestant) => ({
  model: arena.bases[contestant.base],
  adapter: contestant.trains === 'lora' ? arena.adapter : null,
  dtype: contestant.base,
  learning_rate: contestant.settings['learning_rate'],
  positions: loopPositions,
  steps: await stepsOfContestant(arena, contestant),
});
