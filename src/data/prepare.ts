/**
 * @file Rows to ids and labels: the set that both engines train on. It is made once, and found again by
 * what decides its content.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Place, TuneryError } from '../core/errors.ts';
import { writeFileAtomic, writeFolderAtomic } from '../files/atomic.ts';
import { digestFile, digestOf } from '../files/digest.ts';
import { readJson } from '../files/json.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ChatTemplate } from './chat-template.ts';
import { encodeBatch } from './encode-batch.ts';
import type { EncodeOptions } from './encode-example.ts';
import { allMasked, badSplit, emptyDataset, noTemplate } from './errors.ts';
import type { Example } from './example.ts';
import { packRows } from './pack.ts';
import { permutation } from './permutation.ts';
import { openPrepared, type Prepared } from './prepared.ts';
import { createPreparedWriter, type PreparedWriter } from './prepared-writer.ts';
import { createBatch, type Document, lengthOf } from './row-batch.ts';
import type { DataSettings } from './settings.ts';
import { type Choice, findSources, readExamples, type Source } from './sources.ts';
import { kindOf, type Stage, shapeOf } from './stage.ts';
import { templates } from './templates/index.ts';
import { createTextJoiner } from './text-blocks.ts';
import { Tally, type Warning } from './warning.ts';

/** Raised whenever the same rows and settings would give other ids, labels or rows than before. */
const codeVersion = '3';

export type PrepareInput = {
  readonly stage: Stage;
  readonly data: DataSettings;
  readonly tokenizer: Tokenizer;
  /** Of `stage: pt`, none is needed. */
  readonly template: ChatTemplate | undefined;
  /** The folder of prepared sets. */
  readonly cache: string;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((examples: number) => void) | undefined;
};

export type PreparedSets = {
  readonly train: Prepared | undefined;
  readonly eval: Prepared | undefined;
  readonly warnings: readonly Warning[];
  /** Of sets that were made now: what was there before, and why it does not serve. */
  readonly rebuilt: readonly string[];
};

type Split = 'train' | 'eval';

/** All that decides the content of a set, by the name that people know. */
type Parts = Readonly<Record<string, string>>;

type Job = {
  readonly split: Split;
  readonly folder: string;
  readonly parts: Parts;
  readonly label: string;
  /** What its data sets are read from: sets of other files under the same name are nothing to compare with. */
  readonly files: readonly string[];
};

export async function prepare(input: PrepareInput): Promise<PreparedSets> {
  const { data, stage } = input;
  const tally = new Tally();
  const warn = (warning: Warning): void => tally.add(warning);
  if (stage !== 'pt' && !input.template) throw noTemplate(Object.keys(templates));
  const trainSources = await findSources(data.dataset, data.dataset_dir, stage, warn);
  const evalSources = await findSources(data.eval_dataset, data.dataset_dir, stage, warn);
  const sets: Partial<Record<Split, Prepared>> = {};
  const rebuilt: string[] = [];

  const splits = data.val_size > 0 && trainSources.length > 0;
  if (trainSources.length > 0) {
    const jobs = (splits ? (['train', 'eval'] as const) : (['train'] as const)).map((split) =>
      jobOf(input, trainSources, split),
    );
    rebuilt.push(...(await make(input, trainSources, jobs, sets)));
  }
  if (evalSources.length > 0) {
    rebuilt.push(...(await make(input, evalSources, [jobOf(input, evalSources, 'eval')], sets)));
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

function jobOf(input: PrepareInput, sources: readonly Source[], split: Split): Job {
  const parts = partsOf(input, sources, split);
  const label = [input.stage, split, ...sources.map(({ name }) => name)].join(' ');
  const key = digestOf(JSON.stringify(parts)).slice(0, 32);
  const files = sources.flatMap((source) => source.files.map((file) => resolve(file)));
  return { split, parts, label, files, folder: join(input.cache, key) };
}

function partsOf(
  { stage, data, tokenizer, template }: PrepareInput,
  sources: readonly Source[],
  split: Split,
): Parts {
  const rows = sources.map(({ files, format, reading, numSamples }) =>
    JSON.stringify([
      files.map((file) => [file, digestFile(file)]),
      format,
      reading,
      numSamples ?? null,
    ]),
  );
  const drawn = data.val_size > 0 || sources.some(({ numSamples }) => numSamples !== undefined);
  const isText = stage === 'pt';
  return {
    rows: digestOf(...rows),
    tokenizer: tokenizer.digest,
    template: isText ? (data.template ?? '') : digestOf(template?.identity ?? ''),
    stage,
    split,
    cutoff_len: String(data.cutoff_len),
    max_samples: String(data.max_samples),
    val_size: String(data.val_size),
    data_seed: drawn ? String(data.data_seed) : '',
    packing: String(data.packing),
    preprocessing_batch_size:
      (data.packing && stage === 'sft') || stage === 'kto'
        ? String(data.preprocessing_batch_size)
        : '',
    train_on_prompt: String(data.train_on_prompt),
    mask_history: String(data.mask_history),
    allow_unsupervised: String(data.allow_unsupervised),
    'code version': codeVersion,
  };
}

/** Opens the sets that are there, and makes the others in one go over the rows. */
async function make(
  input: PrepareInput,
  sources: readonly Source[],
  jobs: readonly Job[],
  sets: Partial<Record<Split, Prepared>>,
): Promise<string[]> {
  const missing: Job[] = [];
  for (const job of jobs) {
    const found = input.data.overwrite_cache ? undefined : tryOpen(job.folder);
    if (found) sets[job.split] = found;
    else missing.push(job);
  }
  if (missing.length === 0) return [];
  const reasons = missing.flatMap((job) => whyRebuilt(input.cache, job) ?? []);
  await writeAll(input, sources, missing);
  for (const job of missing) {
    sets[job.split] = openPrepared(job.folder);
    writeFileAtomic(lastPath(input.cache, job), JSON.stringify(job.parts));
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

const lastPath = (cache: string, { label, files }: Job): string =>
  join(cache, 'last', `${digestOf(label, ...files).slice(0, 32)}.json`);

/** How the last set of these data sets differs from the one that is wanted. */
function whyRebuilt(cache: string, job: Job): string | undefined {
  const path = lastPath(cache, job);
  if (!existsSync(path)) return undefined;
  const before = readJson(path);
  if (typeof before !== 'object' || before === null) return undefined;
  const changes = Object.entries(job.parts).flatMap(([name, value]) => {
    const old: unknown = Reflect.get(before, name);
    if (old === value) return [];
    const isDigest = ['rows', 'tokenizer', 'template'].includes(name);
    return isDigest ? [`the ${name} changed`] : [`\`${name}\` was ${String(old)} and is ${value}`];
  });
  if (changes.length === 0) return undefined;
  return `${job.label.split(' ').slice(2).join(', ')}: ${changes.join(', ')}`;
}

/** A set that is being made, and what was seen of its rows while they went by. */
type Making = {
  readonly job: Job;
  readonly writer: PreparedWriter;
  readonly tally: Tally;
  leftOut: number;
};

/** Nested, so that each set's temporary folder is there while the rows go by once. */
async function writeAll(
  input: PrepareInput,
  sources: readonly Source[],
  jobs: readonly Job[],
  making: readonly Making[] = [],
): Promise<void> {
  const [job, ...others] = jobs;
  if (!job) return fill(input, sources, making);
  await writeFolderAtomic(
    job.folder,
    async (temporary) => {
      const writer = createPreparedWriter(temporary, shapeOf(input.stage));
      const mine: Making = { job, writer, tally: new Tally(), leftOut: 0 };
      try {
        await writeAll(input, sources, others, [...making, mine]);
        finish(input, mine);
      } finally {
        writer.close();
      }
    },
    { replace: true },
  );
}

async function fill(
  input: PrepareInput,
  sources: readonly Source[],
  making: readonly Making[],
): Promise<void> {
  const { data, stage } = input;
  const choice = { maxSamples: data.max_samples, seed: data.data_seed };
  const isTraining = sources.some(({ name }) => data.dataset.includes(name));
  const held = data.val_size > 0 && isTraining ? heldBack(sources, data, choice) : undefined;
  const sinks = new Map(making.map((each) => [each.job.split, sinkOf(input, each)]));
  const [only] = sinks.values();

  let index = 0;
  let turn = performance.now();
  for (const source of sources) {
    for (const example of readExamples(source, choice)) {
      // The half of a split that is in the cache already has no sink.
      const sink = held ? sinks.get(held.has(index) ? 'eval' : 'train') : only;
      sink?.add(example);
      index++;
      if (performance.now() - turn < 50) continue;
      input.progress?.(index);
      await new Promise((resolve) => setImmediate(resolve));
      input.signal?.throwIfAborted();
      turn = performance.now();
    }
  }
  for (const sink of sinks.values()) sink.end();
  const file = sources[0]?.files[0] ?? '';
  for (const { job, writer, leftOut } of making) {
    if (writer.rows === 0) throw emptyDataset(file, whyEmpty(job.split, leftOut));
    const learns = stage !== 'pt' && stage !== 'ppo';
    if (learns && writer.targets === 0) throw allMasked(file, writer.rows);
  }
}

const whyEmpty = (split: Split, leftOut: number): string =>
  leftOut === 0
    ? `the ${split} set is empty`
    : `all ${leftOut} rows of the ${split} set were left out, for they have no reply`;

/** The rows that `val_size` holds back: a share, rounded up, or a count. */
function heldBack(
  sources: readonly Source[],
  { val_size: size, data_seed: seed }: DataSettings,
  choice: Choice,
): ReadonlySet<number> {
  let count = 0;
  for (const source of sources) for (const _ of readExamples(source, choice)) count++;
  const wanted = size < 1 ? Math.ceil(size * count - 1e-9) : Math.round(size);
  if (wanted >= count) throw badSplit(wanted, count);
  return new Set(permutation(count, seed, 'validation').subarray(0, wanted));
}

type Sink = { add(example: Example): void; end(): void };

function sinkOf(input: PrepareInput, making: Making): Sink {
  const { writer, tally } = making;
  const { stage, data } = input;
  const batch = createBatch(shapeOf(stage));
  const warn = (warning: Warning): void => tally.add(warning);
  const write = (least: number): void => {
    if (batch.rows >= least) writer.append(batch.take());
  };
  const kind = kindOf[stage];
  if (kind === 'text') {
    const joiner = createTextJoiner(data, input.tokenizer, (document) => batch.add([document]));
    return {
      add(example) {
        warnOfPlaceholders(example, warn);
        joiner.add(example);
        write(1000);
      },
      end() {
        joiner.end();
        write(1);
      },
    };
  }
  const options = encodeOptions(input);
  const packs = stage === 'sft' && data.packing && making.job.split === 'train';
  let examples: Example[] = [];
  const encode = (): void => {
    const documents = encodeBatch[kind](examples, options, warn);
    making.leftOut += examples.length - documents.length;
    const rows = packs ? composePacks(input, documents) : documents.map((each) => [each]);
    for (const row of rows) batch.add(row);
    write(1);
    examples = [];
  };
  return {
    add(example) {
      warnOfPlaceholders(example, warn);
      examples.push(example);
      if (examples.length >= data.preprocessing_batch_size) encode();
    },
    end: encode,
  };
}

/** What of the settings decides a conversation's ids and labels. */
export function encodeOptions({
  data,
  template,
}: Pick<PrepareInput, 'data' | 'template'>): EncodeOptions {
  if (!template) throw noTemplate(Object.keys(templates));
  return {
    template,
    // LLaMA-Factory takes one off where it packs.
    cutoff: data.packing ? data.cutoff_len - 1 : data.cutoff_len,
    maskHistory: data.mask_history,
    trainOnPrompt: data.train_on_prompt,
    allowUnsupervised: data.allow_unsupervised,
  };
}

function finish(input: PrepareInput, { job, writer, tally, leftOut }: Making): void {
  const { stage, template, tokenizer } = input;
  writer.finish({
    schema: 1,
    stage,
    split: job.split,
    tokenizer: tokenizer.digest,
    template: template?.name ?? '',
    stop_ids: [...(template?.stopIds ?? [])],
    left_out: leftOut,
    warnings: tally.all().map(({ place, ...warning }) => (place ? { ...warning, place } : warning)),
    parts: job.parts,
  });
}

/** Packs among each batch of rows, as LLaMA-Factory composes them. */
function composePacks({ data, stage }: PrepareInput, documents: readonly Document[]): Document[][] {
  const lengths = documents.map((document) => lengthOf(document, shapeOf(stage)));
  return packRows(lengths, data.cutoff_len - 1).map((pack) => pack.map((i) => documents[i]));
}

const placeholder = /\{\{ ?[a-z_]\w{0,30} ?\}\}/i;

function warnOfPlaceholders(
  { messages, system, place, chosen, rejected }: Example,
  warn: (warning: Warning) => void,
): void {
  const replies = [chosen, rejected].filter((reply) => reply !== undefined);
  const found = [system, ...[...messages, ...replies].map(({ content }) => content)]
    .map((text) => placeholder.exec(text)?.[0])
    .find((match) => match !== undefined);
  if (found === undefined) return;
  warn(placeholderWarning(found, place));
}

const placeholderWarning = (found: string, place: Place): Warning => ({
  code: 'data/placeholder',
  message: `\`${found}\` stands in the row, and would be learned as it is`,
  help: 'fill such placeholders in before training',
  place,
});
