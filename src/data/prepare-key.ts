/** @file What decides the content of a Prepared set: its name in the cache, and why an earlier one does not serve. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeFileAtomic } from '../files/atomic.ts';
import { digestOf } from '../files/digest.ts';
import { readJson } from '../files/json.ts';
import { digestKnownFile } from '../files/known-digest.ts';
import { isReordered } from './order-rows.ts';
import type { PrepareInput, Split } from './prepare.ts';
import type { Source } from './sources.ts';

/** Raised whenever the same rows and settings would give other ids, labels or rows than before. */
const codeVersion = '4';

/** All that decides the content of a set, by the name that people know. */
export type Parts = Readonly<Record<string, string>>;

/** A set that is wanted. */
export type SetJob = {
  readonly split: Split;
  readonly sources: readonly Source[];
  readonly folder: string;
  readonly parts: Parts;
  /** For people: the data sets. */
  readonly label: string;
  /** What is compared with: the last set of the same data sets and files, in this file. */
  readonly last: string;
};

export function setJob(input: PrepareInput, sources: readonly Source[], split: Split): SetJob {
  const parts = partsOf(input, sources, split);
  const names = sources.map(({ name }) => name);
  const files = sources.flatMap((source) => source.files.map((file) => resolve(file)));
  const asked = digestOf([input.stage, split, ...names].join(' '), ...files).slice(0, 32);
  return {
    split,
    sources,
    parts,
    label: names.join(', '),
    last: join(input.cache, 'last', `${asked}.json`),
    folder: join(input.cache, digestOf(JSON.stringify(parts)).slice(0, 32)),
  };
}

/** Settings whose text is all that they decide by. */
const contentKeys = [
  'mix_strategy',
  'interleave_probs',
  'dataset_weights',
  'overlong',
  'deduplicate',
  'filter_min_tokens',
  'filter_max_tokens',
  'filter_scripts',
  'filter_expression',
] as const;
const streamKeys = ['buffer_size'] as const;

function partsOf(
  { stage, data, tokenizer, template, cache, rowsToLearn }: PrepareInput,
  sources: readonly Source[],
  split: Split,
): Parts {
  const streamed = data.streaming ? rowsToLearn : undefined;
  const rows = sources.map(({ files, format, reading, numSamples }) =>
    JSON.stringify([
      files.map((file) => [file, digestKnownFile(file, join(cache, 'digests'))]),
      format,
      reading,
      numSamples ?? null,
    ]),
  );
  const isText = stage === 'pt';
  const batched = (data.packing && stage !== 'ppo') || stage === 'kto';
  return {
    rows: digestOf(...rows),
    tokenizer: tokenizer.digest,
    template: isText ? (data.template ?? '') : digestOf(template?.identity ?? ''),
    stage,
    split,
    cutoff_len: String(data.cutoff_len),
    max_samples: String(data.max_samples),
    ...Object.fromEntries(
      [...contentKeys, ...(streamed === undefined ? [] : streamKeys)].map((key) => [
        key,
        String(data[key]),
      ]),
    ),
    'rows streamed': String(streamed ?? ''),
    val_size: String(data.val_size),
    data_seed:
      data.streaming || data.val_size > 0 || isReordered(sources, data)
        ? String(data.data_seed)
        : '',
    packing: String(data.packing),
    preprocessing_batch_size: batched ? String(data.preprocessing_batch_size) : '',
    train_on_prompt: String(data.train_on_prompt),
    mask_history: String(data.mask_history),
    allow_unsupervised: String(data.allow_unsupervised),
    'code version': codeVersion,
  };
}

export function rememberSet({ last, parts }: SetJob): void {
  writeFileAtomic(last, JSON.stringify(parts));
}

/** How the last set of these data sets differs from the one that is wanted; undefined where there was none. */
export function whyRebuilt({ last, parts, label }: SetJob): string | undefined {
  if (!existsSync(last)) return undefined;
  const before = readJson(last);
  if (typeof before !== 'object' || before === null) return undefined;
  const changes = Object.entries(parts).flatMap(([name, value]) => {
    const old: unknown = Reflect.get(before, name);
    if (old === value) return [];
    const isDigest = ['rows', 'tokenizer', 'template'].includes(name);
    return isDigest ? [`the ${name} changed`] : [`\`${name}\` was ${String(old)} and is ${value}`];
  });
  return changes.length === 0 ? undefined : `${label}: ${changes.join(', ')}`;
}
