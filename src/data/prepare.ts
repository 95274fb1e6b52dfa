/**
 * @file Rows to ids and labels: the set that both engines train on. It is made once, and found again by
 * what decides its content.
 */
import { existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';

import { TuneryError } from '../core/errors.ts';
import { makeFolder } from '../files/atomic.ts';
import type { Definition, Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ChatTemplate } from './chat-template.ts';
import { openEncodePool } from './encode-pool.ts';
import { noTemplate } from './errors.ts';
import { withRows } from './feed.ts';
import type { DataHub } from './hub-datasets.ts';
import type { TemplateInput } from './open-template.ts';
import { rememberSet, type SetJob, setJob, whyRebuilt } from './prepare-key.ts';
import { openPrepared, type Prepared } from './prepared.ts';
import type { DataSettings } from './settings.ts';
import { findSources, type Source } from './sources.ts';
import type { Stage } from './stage.ts';
import { templates } from './templates/index.ts';
import { Tally, type Warning } from './warning.ts';
import { encodeSettings, writeSet } from './write-set.ts';

export { encodeOptions } from './encode-chunk.ts';

export type PrepareInput = {
  readonly stage: Stage;
  readonly data: DataSettings;
  readonly tokenizer: Tokenizer;
  /** Of `stage: pt`, none is needed. */
  readonly template: ChatTemplate | undefined;
  /** How other threads make the same tokenizer and template for themselves; without it, this thread does all. */
  readonly recipe?: Recipe | undefined;
  /** How many other threads encode, where the recipe is given; by default the settings, the rows and the machine say. */
  readonly threads?: number | undefined;
  /** The folder of prepared sets. */
  readonly cache: string;
  /** How hubs are asked for data sets that lie there. */
  readonly hub?: DataHub | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((examples: number) => void) | undefined;
};

export type Recipe = {
  /** Of the model's own tokenizer, before a template asked anything of it. */
  readonly tokenizer: Definition;
  readonly template: Omit<TemplateInput, 'tokenizer'> | undefined;
};

export type PreparedSets = {
  readonly train: Prepared | undefined;
  readonly eval: Prepared | undefined;
  readonly warnings: readonly Warning[];
  /** Of sets that were made now: what was there before, and why it does not serve. */
  readonly rebuilt: readonly string[];
};

export type Split = 'train' | 'eval';

export async function prepare(input: PrepareInput): Promise<PreparedSets> {
  const { data, stage } = input;
  const tally = new Tally();
  const warn = (warning: Warning): void => tally.add(warning);
  if (stage !== 'pt' && !input.template) throw noTemplate(Object.keys(templates));
  const find = (names: readonly string[]) =>
    findSources(names, data.dataset_dir, stage, warn, input.hub);
  const trainSources = await find(data.dataset);
  const evalSources = await find(data.eval_dataset);
  const sets: Partial<Record<Split, Prepared>> = {};
  const rebuilt: string[] = [];

  const splits = data.val_size > 0 && trainSources.length > 0;
  if (trainSources.length > 0) {
    const jobs = (splits ? (['train', 'eval'] as const) : (['train'] as const)).map((split) =>
      setJob(input, trainSources, split),
    );
    rebuilt.push(...(await make(input, trainSources, jobs, sets)));
  }
  if (evalSources.length > 0) {
    rebuilt.push(...(await make(input, evalSources, [setJob(input, evalSources, 'eval')], sets)));
  }
  const warnings = [
    ...tally.all(),
    ...(sets.train?.warnings ?? []),
    ...(sets.eval?.warnings ?? []),
  ];
  return { train: sets.train, eval: sets.eval, warnings: unique(warnings), rebuilt };
}

const unique = (warnings: readonly Warning[]): Warning[] => [
  ...new Map(warnings.map((warning) => [JSON.stringify(warning), warning])).values(),
];

/** Opens the sets that are there, and makes the others. */
async function make(
  input: PrepareInput,
  sources: readonly Source[],
  jobs: readonly SetJob[],
  sets: Partial<Record<Split, Prepared>>,
): Promise<string[]> {
  const missing: SetJob[] = [];
  for (const job of jobs) {
    const found = input.data.overwrite_cache ? undefined : tryOpen(job.folder);
    if (found) sets[job.split] = found;
    else missing.push(job);
  }
  if (missing.length === 0) return [];
  const reasons = missing.flatMap((job) => whyRebuilt(job) ?? []);
  await writeSets(input, sources, missing, jobs.length > 1);
  for (const job of missing) {
    sets[job.split] = openPrepared(job.folder);
    rememberSet(job);
  }
  return reasons;
}

function tryOpen(folder: string): Prepared | undefined {
  if (!existsSync(folder)) return undefined;
  try {
    return openPrepared(folder);
  } catch (error) {
    // A damaged set is made again.
    if (error instanceof TuneryError) return undefined;
    throw error;
  }
}

async function writeSets(
  input: PrepareInput,
  sources: readonly Source[],
  jobs: readonly SetJob[],
  splits: boolean,
): Promise<void> {
  const { data, cache: folder, signal, recipe } = input;
  makeFolder(folder);
  await withRows({ sources, data, splits, folder, signal }, async (halves) => {
    for (const job of jobs) {
      const threads = recipe ? (input.threads ?? threadsFor(sources, data)) : 0;
      const pool =
        recipe && threads > 0
          ? openEncodePool(threads, { ...encodeSettings(input, job), ...recipe })
          : undefined;
      try {
        // A set of rows that are for evaluation alone is all of them.
        const rows = splits && job.split === 'eval' ? halves.eval() : halves.train();
        await writeSet(input, job, rows, pool);
      } finally {
        await pool?.close();
      }
    }
  });
}

/** Bytes of rows below which another thread would not have begun when this one is done. */
const threadBytes = 8 << 20;

function threadsFor(sources: readonly Source[], data: DataSettings): number {
  const bytes = sources
    .flatMap(({ files }) => files)
    .reduce((sum, file) => sum + statSync(file).size, 0);
  const asked = data.preprocessing_num_workers ?? availableParallelism();
  return Math.min(asked, Math.floor(bytes / threadBytes));
}
