/** @file Where rows come from: names in `dataset_info.json`, or paths given directly. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import type { Place } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import { isHubId } from '../files/hub-cache.ts';
import { isJsonObject, type JsonObject } from '../files/json.ts';
import { readRows, rowEnding } from '../files/rows.ts';
import { type DatasetEntry, type DatasetInfo, readDatasetInfo } from './dataset-info.ts';
import {
  badDatasetInfo,
  emptyDataset,
  unknownDataset,
  unknownFormat,
  wrongData,
} from './errors.ts';
import { type Format, type Reading, readingOf } from './formats/format.ts';
import { formats } from './formats/index.ts';
import { type DataHub, fetchDataset, fetchPaths, hubOf, placeOfId } from './hub-datasets.ts';
import { checkInside } from './inside-folder.ts';
import { knownDataset, knownNames } from './known-datasets/index.ts';
import { kindOf, type Stage } from './stage.ts';
import type { Warning } from './warning.ts';

/** A description, no more: it may be sent to another thread. */
export type Source = {
  readonly name: string;
  readonly files: readonly string[];
  /** A name in `formats`. */
  readonly format: string;
  readonly reading: Reading;
  /** Columns that dataset_info.json names, so that one which no row has is a mistake. */
  readonly described: boolean;
  readonly numSamples: number | undefined;
};

/** How its rows are read. */
export const formatOf = ({ format }: Pick<Source, 'format'>): Format => formats[format]!;

/** `dataset_dir: ONLINE`: names are hub ids. */
const online = 'ONLINE';
/** `dataset_dir: REMOTE:org/name`: dataset_info.json lies in that repository of the hub. */
const remote = 'REMOTE:';

/** Where names are looked up. */
type Names = {
  /** The folder of local files; undefined where all lies on a hub. */
  readonly folder: string | undefined;
  readonly info: DatasetInfo | undefined;
  /** The repository that `REMOTE:` names. */
  readonly repository: string | undefined;
};

/**
 * Finds each data set, and fetches what lies on a hub and not in its cache. A name that is asked for twice is read
 * once, as LLaMA-Factory does.
 */
export async function findSources(
  names: readonly string[],
  folder: string,
  stage: Stage,
  warn: (warning: Warning) => void,
  hub: DataHub = {},
): Promise<Source[]> {
  let known: Names | undefined;
  const sources: Source[] = [];
  for (const [i, name] of names.entries()) {
    if (names.indexOf(name) !== i) {
      const help = 'to show rows twice, give the data set a second name in dataset_info.json';
      warn({
        code: 'data/twice',
        message: `data set \`${name}\` is named twice; it is read once`,
        help,
      });
      continue;
    }
    known ??= await readNames(folder, warn, hub);
    sources.push(await findSource(name, known, hub));
  }
  for (const source of sources) checkStage(source, stage, { file: source.files[0] ?? source.name });
  return sources;
}

async function readNames(
  folder: string,
  warn: (warning: Warning) => void,
  hub: DataHub,
): Promise<Names> {
  if (folder === online) return { folder: undefined, info: undefined, repository: undefined };
  if (!folder.startsWith(remote))
    return { folder, info: readDatasetInfo(folder, warn), repository: undefined };
  const repository = folder.slice(remote.length);
  const from = hubOf(placeOfId(repository), hub, { file: 'dataset_dir' });
  const path = await fetchPaths(from.hub, repository, 'dataset_info.json', hub);
  return { folder: undefined, info: readDatasetInfo(dirname(path), warn), repository };
}

async function findSource(
  name: string,
  { folder, info, repository }: Names,
  hub: DataHub,
): Promise<Source> {
  const own = info?.entry(name);
  if (own) return sourceOf(own, await filesOf(own, folder, repository, hub));
  const path = [name, ...(folder === undefined ? [] : [join(folder, name)])].find((candidate) =>
    existsSync(candidate),
  );
  if (path !== undefined) return { ...guess(filesAt(path, name)), name };
  const builtIn = knownDataset(name);
  if (builtIn) {
    return sourceOf(builtIn, await filesOf(builtIn, undefined, undefined, hub));
  }
  const isOnline = folder === undefined && repository === undefined;
  const isId = isHubId(name) && (name.includes('/') || isOnline);
  if (isId && rowEnding(name) === '') {
    const place = placeOfId(name);
    const from = hubOf(place, hub, { file: 'dataset' });
    return { ...guess(await fetchDataset(from.hub, from.id, place, hub)), name };
  }
  const names = [...(info?.names ?? []), ...knownNames, ...filesNear(name)];
  const infoPath = info?.path ?? join(folder ?? '', 'dataset_info.json');
  throw unknownDataset(name, infoPath, info !== undefined, didYouMean(name, names));
}

function sourceOf(
  { name, formatting, description, numSamples }: DatasetEntry,
  files: readonly string[],
): Source {
  const reading = readingOf(formats[formatting]!, description);
  const described = description.columns !== undefined;
  return { name, files, format: formatting, reading, described, numSamples };
}

/** A local file serves where there is one, also beside a hub's id. */
async function filesOf(
  { name, fileName, hub: place, place: where }: DatasetEntry,
  folder: string | undefined,
  repository: string | undefined,
  hub: DataHub,
): Promise<readonly string[]> {
  if (fileName !== undefined && folder !== undefined) {
    const path = join(folder, fileName);
    if (existsSync(path)) {
      checkInside(folder, path, where);
      return filesAt(path, name);
    }
    if (place === undefined) {
      const help = 'check `file_name` and `dataset_dir`';
      throw badDatasetInfo(where, `its file ${path} does not exist`, help);
    }
  }
  if (place !== undefined) {
    const from = hubOf(place, hub, where);
    return fetchDataset(from.hub, from.id, place, hub);
  }
  if (fileName === undefined || repository === undefined)
    throw badDatasetInfo(where, 'a file needs a folder: `dataset_dir` names none');
  const from = hubOf(placeOfId(repository), hub, where);
  return filesAt(await fetchPaths(from.hub, repository, fileName, hub), name);
}

/** Files that a mistyped path may have meant. */
function filesNear(name: string): string[] {
  try {
    const folder = dirname(name);
    return readdirSync(folder).map((file) => join(folder, file));
  } catch {
    return [];
  }
}

/** A link that leads nowhere is none. */
const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile();

/** The file, or all files of a folder, which must be of one kind. */
function filesAt(path: string, name: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const files = readdirSync(path)
    .filter((file) => !file.startsWith('.') && isFile(join(path, file)))
    .sort();
  const kinds = new Set(files.map((file) => rowEnding(file) || extname(file).toLowerCase()));
  if (files.length === 0)
    throw emptyDataset(path, `the folder of data set \`${name}\` holds no files`);
  if (kinds.size > 1) {
    throw badDatasetInfo(
      { file: path },
      `the files of data set \`${name}\` are of several kinds: ${[...kinds].join(', ')}`,
    );
  }
  return files.map((file) => join(path, file));
}

/** The format of rows by the columns of the first. */
function guess(files: readonly string[]): Omit<Source, 'name'> {
  for (const file of files) {
    for (const { value, place } of readRows(file)) {
      for (const found of Object.values(formats)) {
        const columns = found.detect(value);
        if (!columns) continue;
        const format = spelling(found, value);
        const reading = readingOf(format, { columns });
        return { files, format: format.name, reading, described: false, numSamples: undefined };
      }
      throw unknownFormat(place, Object.keys(value));
    }
  }
  throw emptyDataset(files[0] ?? '', 'the file is empty');
}

/** `conversations` of role and content are OpenAI's by another name, and the other way round. */
function spelling(format: Format, row: JsonObject): Format {
  const list = row.conversations ?? row.messages;
  const first = Array.isArray(list) ? list[0] : undefined;
  if (!isJsonObject(first ?? null)) return format;
  const message = first as JsonObject;
  if (format.name === 'sharegpt' && message.from === undefined && message.role !== undefined)
    return formats.openai!;
  if (format.name === 'openai' && message.role === undefined && message.from !== undefined)
    return formats.sharegpt!;
  return format;
}

/** What a data set is said to hold must be what the stage learns from. */
export function checkStage(
  { name, format, reading }: Pick<Source, 'name' | 'format' | 'reading'>,
  stage: Stage,
  place: Place,
): void {
  const kind = kindOf[stage];
  if (reading.ranking && kind !== 'pairs') {
    throw wrongData(
      place,
      `data set \`${name}\` holds chosen and rejected replies, which \`stage: ${stage}\` cannot learn from`,
      'set `stage: dpo` or `stage: rm`, or choose a data set of single replies',
    );
  }
  if (!reading.ranking && kind === 'pairs') {
    throw wrongData(
      place,
      `\`stage: ${stage}\` learns from a chosen and a rejected reply, and data set \`${name}\` is not said to hold them`,
      'give it `"ranking": true` and the columns `chosen` and `rejected` in dataset_info.json, or choose another data set',
    );
  }
  if (kind === 'tagged' && reading.columns.kto_tag === null) {
    throw wrongData(
      place,
      `\`stage: kto\` learns from replies that are tagged as wanted or not, and data set \`${name}\` has no such column`,
      'name it as `kto_tag` under `columns` in dataset_info.json, or choose another data set',
    );
  }
  if (stage !== 'pt' && format === 'text') {
    throw wrongData(
      place,
      `data set \`${name}\` is plain text, and \`stage: ${stage}\` learns replies`,
      'set `stage: pt`, or choose a data set of conversations',
    );
  }
  if (stage === 'pt' && format !== 'text' && format !== 'alpaca') {
    throw wrongData(
      place,
      `data set \`${name}\` holds conversations, and \`stage: pt\` learns plain text`,
      'set `stage: sft`, or choose a data set of texts',
    );
  }
}
