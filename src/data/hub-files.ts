/**
 * @file Which files of a hub's data set are the rows of a split: by the `configs` of its README, else by names, as
 * `datasets` chooses them (checked against 4.5).
 */
import { parse } from 'yaml';
import { z } from 'zod';
import { didYouMean } from '../core/suggest.ts';
import { rowEnding } from '../files/rows.ts';
import { noDataFiles, noSuchSplit, noSuchSubset } from './errors.ts';
import { matchGlob } from './globs.ts';

export type Wanted = {
  readonly subset: string | undefined;
  readonly split: string;
  /** The folder of the repository where the data lie. */
  readonly folder: string | undefined;
};

/** What a repository says of its files: patterns of each subset, split by split. */
type Patterns = ReadonlyMap<string, readonly string[]>;
type Subset = {
  readonly name: string;
  readonly isDefault: boolean;
  readonly folder: string | undefined;
  readonly patterns: Patterns | undefined;
};

const listOf = (value: string | readonly string[]): readonly string[] =>
  typeof value === 'string' ? [value] : value;

const Paths = z.union([z.string(), z.array(z.string())]);
const DataFiles = z.union([
  Paths.transform((paths): Patterns => new Map([['train', listOf(paths)]])),
  z
    .array(z.object({ split: z.coerce.string(), path: Paths }))
    .transform((list): Patterns => new Map(list.map(({ split, path }) => [split, listOf(path)]))),
  z
    .record(z.string(), Paths)
    .transform(
      (record): Patterns =>
        new Map(Object.entries(record).map(([split, paths]) => [split, listOf(paths)])),
    ),
]);
const Configs = z.array(
  z.object({
    config_name: z.coerce.string(),
    default: z.boolean().optional(),
    data_dir: z.string().optional(),
    data_files: DataFiles.optional(),
  }),
);

/** The subsets that the README names; none where it names none, or is no README that can be read. */
export function subsetsOf(readme: string | undefined): readonly Subset[] {
  const [, front] = /^\ufeff?---\r?\n([\s\S]*?)\r?\n---\s*(?:\n|$)/.exec(readme ?? '') ?? [];
  if (front === undefined) return [];
  let card: unknown;
  try {
    card = parse(front);
  } catch {
    return [];
  }
  const configs = Configs.safeParse(
    typeof card === 'object' && card !== null && 'configs' in card ? card.configs : undefined,
  );
  if (!configs.success) return [];
  return configs.data.map(({ config_name: name, default: isDefault, data_dir, data_files }) => ({
    name,
    isDefault: isDefault === true,
    folder: data_dir,
    patterns: data_files,
  }));
}

/** The files of the wanted split. Throws `data/hub-subset`, `data/hub-split` or `data/hub-no-files`. */
export function chooseFiles(
  id: string,
  paths: readonly string[],
  readme: string | undefined,
  wanted: Wanted,
): string[] {
  const subset = wanted.folder === undefined ? subsetFor(id, subsetsOf(readme), wanted) : undefined;
  const folder = wanted.folder ?? subset?.folder;
  const base = folder?.replace(/^\.?\/+|\/+$/g, '').replace(/^\.$/, '') ?? '';
  const inside = base === '' ? paths : paths.filter((path) => path.startsWith(`${base}/`));
  const local = inside.map((path) => (base === '' ? path : path.slice(base.length + 1))).sort();
  const splits = splitFiles(local, subset?.patterns ?? patternsByName(local));
  const kind = [...splits.values()].map(kindOfFiles).find((found) => found !== undefined);
  if (kind === undefined) throw noDataFiles(id, folder, inside.slice(0, 6));
  const unnamed = subset === undefined && wanted.folder === undefined;
  if (unnamed && (wanted.subset ?? 'default') !== 'default')
    throw noSuchSubset(id, wanted.subset, [], '');
  const chosen = wanted.split.split('+').flatMap((name) => {
    const files = splits.get(name.trim());
    if (files) return files.filter((path) => endingsOf(path).some((each) => kind.includes(each)));
    throw noSuchSplit(id, name.trim(), [...splits.keys()], didYouMean(name, splits.keys()));
  });
  // Of a kind that could be read, but for its packing (.zst, .zip): told before anything is fetched.
  const unread = chosen.filter((path) => rowEnding(path) === '');
  if (chosen.length === 0 || unread.length > 0) {
    const shown = unread.length > 0 ? unread : inside;
    throw noDataFiles(id, folder, shown.slice(0, 6));
  }
  return [...new Set(chosen)].map((path) => (base === '' ? path : `${base}/${path}`));
}

function subsetFor(id: string, subsets: readonly Subset[], { subset }: Wanted): Subset | undefined {
  const names = subsets.map(({ name }) => name);
  if (subset !== undefined) {
    const found = subsets.find(({ name }) => name === subset);
    // Without any, what the hub itself made of the data set may have some.
    if (found || subsets.length === 0) return found;
    throw noSuchSubset(id, subset, names, didYouMean(subset, names));
  }
  if (subsets.length < 2) return subsets[0];
  const usual =
    subsets.find(({ isDefault }) => isDefault) ?? subsets.find(({ name }) => name === 'default');
  if (!usual) throw noSuchSubset(id, undefined, names, '');
  return usual;
}

const splitFiles = (paths: readonly string[], patterns: Patterns): Map<string, string[]> =>
  new Map(
    [...patterns].map(([split, globs]) => [
      split,
      [...new Set(globs.flatMap((glob) => matchGlob(glob, paths)))],
    ]),
  );

// ── by names ──

const keywords: Patterns = new Map([
  ['train', ['train', 'training']],
  ['validation', ['validation', 'valid', 'dev', 'val']],
  ['test', ['test', 'testing', 'eval', 'evaluation']],
]);
const around = '[-._ 0-9]';
const inFileName = (word: string): string[] => [
  `**/${word}${around}*`,
  `**/*${around}${word}${around}*`,
];
const inFolderName = (word: string): string[] => [
  `**/${word}/**`,
  `**/${word}${around}*/**`,
  `**/*${around}${word}/**`,
  `**/*${around}${word}${around}*/**`,
];
const digits = '[0-9][0-9][0-9][0-9][0-9]';
const shards = (split: string): string => `data/${split}-${digits}-of-${digits}*.*`;

const wordPatterns = (patternsOf: (word: string) => string[]): Patterns =>
  new Map([...keywords].map(([split, words]) => [split, words.flatMap(patternsOf)]));

/** The first of these ways by which any split has files. */
function patternsByName(paths: readonly string[]): Patterns {
  const sharded = matchGlob(shards('*'), paths).map(
    (path) => /^data\/(.+)-\d{5}-of-\d{5}/.exec(path)?.[1] ?? '',
  );
  if (sharded.length > 0) {
    const order = [...keywords.keys()];
    const names = [...new Set(sharded)].sort(
      (a, b) => rank(order, a) - rank(order, b) || (a < b ? -1 : 1),
    );
    return new Map(names.map((split) => [split, [shards(split)]]));
  }
  for (const patterns of [wordPatterns(inFolderName), wordPatterns(inFileName)]) {
    const found = [...patterns].filter(([, globs]) =>
      globs.some((glob) => matchGlob(glob, paths).length > 0),
    );
    if (found.length > 0) return new Map(found);
  }
  return new Map([['train', ['**']]]);
}

const rank = (order: readonly string[], name: string): number =>
  order.includes(name) ? order.indexOf(name) : order.length;

// ── kinds of files ──

const kinds: readonly (readonly string[])[] = [
  ['parquet'],
  ['jsonl', 'json', 'ndjson'],
  ['csv', 'tsv'],
  ['arrow'],
  ['txt'],
];

const endingsOf = (path: string): string[] =>
  path
    .slice(path.lastIndexOf('/') + 1)
    .split('.')
    .slice(1)
    .map((ending) => ending.toLowerCase());

/** The kind that most of the files are of; of two that are equally many, the first in the list. */
function kindOfFiles(paths: readonly string[]): readonly string[] | undefined {
  const counts = kinds.map(
    (kind) => paths.filter((path) => endingsOf(path).some((each) => kind.includes(each))).length,
  );
  const most = Math.max(...counts);
  return most === 0 ? undefined : kinds[counts.indexOf(most)];
}
