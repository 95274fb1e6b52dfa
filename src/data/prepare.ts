/**
 * @file Rows to ids and labels: the set that both engines train on. It is made once, and found again by
 * what decides its content.
 */
import { existsSync, statSync, utimesSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { TuneryError } from '../core/errors.ts';
import { makeFolder, sweepLeftovers } from '../files/atomic.ts';
import { lockFile, waitForLock } from '../native/lock.ts';
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
import { readTokenized, saveTokenized } from './tokenized-path.ts';
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
  /** With `streaming`: how many rows the steps need. */
  readonly rowsToLearn?: number | undefined;
  /** The one half that is made of the training's data sets; both by default. */
  readonly only?: Split | undefined;
  /** The folder of prepared sets. */
  readonly cache: string;
  /** How hubs are asked for data sets that lie there. */
  readonly hub?: DataHub | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((examples: number) => void) | undefined;
  /** Told a line that a person should see while this waits. */
  readonly notice?: ((line: string) => void) | undefined;
};

export type Recipe = {
  /** Of the model's own tokenizer, before a template asked anything of it. */
  readonly tokenizer: Definition;
  readonly template: Omit<TemplateInput, 'tokenizer'> | undefined;
};

/** A set to evaluate on: `eval`, or with `eval_on_each_dataset` the data set's own name. */
export type EvalSet = { readonly name: string; readonly prepared: Prepared };

export type PreparedSets = {
  readonly train: Prepared | undefined;
  /** The first of `evals`. */
  readonly eval: Prepared | undefined;
  readonly evals: readonly EvalSet[];
  readonly warnings: readonly Warning[];
  /** What was there before and does not serve, and what else there is to know of how the sets came to be. */
  readonly notes: readonly string[];
};

export type Split = 'train' | 'eval';

/** Finds or makes the sets that the settings ask for. */
export async function prepare(input: PrepareInput): Promise<PreparedSets> {
  const { data, stage, tokenizer } = input;
  const path = data.tokenized_path;
  if (path === null) return findOrMake(input);
  const saved = readTokenized(path, { stage, tokenizer: tokenizer.digest });
  if (saved) return saved;
  const sets = await findOrMake(input);
  await saveTokenized(path, sets);
  return { ...sets, notes: [...sets.notes, `the prepared rows are saved in ${path}`] };
}

async function findOrMake(input: PrepareInput): Promise<PreparedSets> {
  const { data, stage } = input;
  const tally = new Tally();
  const warn = (warning: Warning): void => tally.add(warning);
  if (stage !== 'pt' && !input.template) throw noTemplate();
  const find = (names: readonly string[]) =>
    findSources(names, data.dataset_dir, stage, warn, input.hub);
  const trainSources = await find(data.dataset);
  const evalSources = await find(data.eval_dataset);
  sweepLeftovers(input.cache);
  const notes: string[] = [];
  let train: Prepared | undefined;
  const evals: EvalSet[] = [];

  if (trainSources.length > 0) {
    const all: readonly Split[] = data.val_size > 0 ? ['train', 'eval'] : ['train'];
    const splits = all.filter((split) => input.only === undefined || split === input.only);
    const jobs = splits.map((split) => setJob(input, trainSources, split));
    const made = await make(input, trainSources, jobs, notes);
    train = made[splits.indexOf('train')];
    const held = made[splits.indexOf('eval')];
    if (held) evals.push({ name: 'eval', prepared: held });
  }
  const evaluating = { ...input, only: undefined, data: { ...data, ...forEvaluation } };
  // Each alone, or all as one set.
  const groups = data.eval_on_each_dataset ? evalSources.map((each) => [each]) : [evalSources];
  for (const sources of groups) {
    if (sources.length === 0) continue;
    const job = setJob(evaluating, sources, 'eval');
    const [prepared] = await make(evaluating, sources, [job], notes);
    const name = data.eval_on_each_dataset ? (sources[0]?.name ?? '') : 'eval';
    if (prepared) evals.push({ name, prepared });
  }
  const sets = [train, ...evals.map(({ prepared }) => prepared)];
  const warnings = [...tally.all(), ...sets.flatMap((set) => set?.warnings ?? [])];
  return { train, evals, eval: evals[0]?.prepared, warnings: unique(warnings), notes };
}

/** Every row counts once in what is evaluated, however the rows to learn are mixed. */
const forEvaluation = {
  mix_strategy: 'concat',
  interleave_probs: null,
  dataset_weights: null,
  streaming: false,
  val_size: 0,
} as const;

const unique = (warnings: readonly Warning[]): Warning[] => [
  ...new Map(warnings.map((warning) => [JSON.stringify(warning), warning])).values(),
];

/** Opens the sets that are there, and makes the others, one process at a time. */
async function make(
  input: PrepareInput,
  sources: readonly Source[],
  jobs: readonly SetJob[],
  notes: string[],
): Promise<readonly (Prepared | undefined)[]> {
  const open = ({ folder }: SetJob) => (input.data.overwrite_cache ? undefined : tryOpen(folder));
  const found = jobs.map(open);
  if (found.every((set) => set !== undefined)) return found;
  notes.push(...jobs.flatMap((job, i) => (found[i] ? [] : (whyRebuilt(job) ?? []))));
  const lock = await lockSets(input, jobs);
  try {
    // Another process may have made them while this one waited.
    const now = jobs.map((job, i) => found[i] ?? (lock.waited ? tryOpen(job.folder) : open(job)));
    const missing = jobs.filter((_, i) => !now[i]);
    const splits = jobs.length > 1 || input.only === 'eval';
    if (missing.length > 0) await writeSets(input, sources, missing, splits);
    for (const job of missing) rememberSet(job);
    return jobs.map((job, i) => now[i] ?? openPrepared(job.folder));
  } finally {
    lock.release();
  }
}

/** The system drops the lock with the process, however that ends. */
async function lockSets(
  { cache, notice, signal }: PrepareInput,
  jobs: readonly SetJob[],
): Promise<{ readonly waited: boolean; release(): void }> {
  const folder = join(cache, 'locks');
  makeFolder(folder);
  // The halves of a split are made together, and have one lock.
  const path = join(folder, `${basename(jobs[0]?.folder ?? '')}.lock`);
  const lock = lockFile(path);
  if (lock) return { waited: false, release: lock.release };
  notice?.('another process prepares the same rows: this one waits, and then takes them');
  const late = await waitForLock(path, signal);
  return { waited: true, release: late.release };
}

function tryOpen(folder: string): Prepared | undefined {
  if (!existsSync(folder)) return undefined;
  try {
    const set = openPrepared(folder);
    touch(folder);
    return set;
  } catch (error) {
    // A damaged set is made again.
    if (error instanceof TuneryError) return undefined;
    throw error;
  }
}

/** So that `tunery cache prune` knows when a set was last taken. */
function touch(folder: string): void {
  try {
    const now = new Date();
    utimesSync(folder, now, now);
  } catch {
    // The cache is another user's, who may prune as they like.
  }
}

async function writeSets(
  input: PrepareInput,
  sources: readonly Source[],
  jobs: readonly SetJob[],
  splits: boolean,
): Promise<void> {
  const { data, cache: folder, signal, recipe } = input;
  const streamed = data.streaming ? input.rowsToLearn : undefined;
  await withRows({ sources, data, splits, streamed, folder, signal }, async (halves) => {
    for (const job of jobs) {
      const threads = recipe ? (input.threads ?? threadsFor(sources, data)) : 0;
      const pool =
        recipe && threads > 0
          ? openEncodePool(threads, { ...encodeSettings(input, job), ...recipe })
          : undefined;
      try {
        // A set of rows that are for evaluation alone is all of them.
        const rows = splits && job.split === 'eval' ? halves.eval() : halves.train();
        await writeSet(input, job, rows, halves.leftOut, pool);
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
