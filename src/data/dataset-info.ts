/** @file `dataset_info.json`: LLaMA-Factory's list of data sets, checked with line numbers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Place } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from '../files/json.ts';
import { badDatasetInfo } from './errors.ts';
import { describe } from './example.ts';
import {
  type ColumnName,
  columnNames,
  type Description,
  type TagName,
  tagNames,
} from './formats/format.ts';
import { formats } from './formats/index.ts';
import type { Warning } from './warning.ts';

/** What LLaMA-Factory reads and is not served here, and why. Where a hub or a file is named too, that serves. */
const refused = {
  script_url:
    'a loading script is Python, which is not run here (and `datasets` runs none any more, from version 4 on)',
  cloud_file_name: 'object stores (s3://, gs://) are not read',
} as const;
const knownKeys: readonly string[] = [
  'hf_hub_url',
  'ms_hub_url',
  'om_hub_url',
  ...Object.keys(refused),
  'subset',
  'split',
  'folder',
  'file_name',
  'formatting',
  'ranking',
  'num_samples',
  'columns',
  'tags',
  'detailed_thinking',
];

/** Where on hubs a data set lies, and what of it is meant; a local file has nothing to choose. */
export type HubPlace = {
  readonly huggingface: string | undefined;
  readonly modelscope: string | undefined;
  readonly openmind: string | undefined;
  readonly subset: string | undefined;
  readonly split: string;
  readonly folder: string | undefined;
};

export type DatasetEntry = {
  readonly name: string;
  /** Relative to the folder of dataset_info.json; undefined where the data lie on a hub. */
  readonly fileName: string | undefined;
  readonly hub: HubPlace | undefined;
  readonly formatting: string;
  readonly numSamples: number | undefined;
  readonly description: Description;
  readonly place: Place;
};

export type DatasetInfo = {
  readonly path: string;
  readonly names: readonly string[];
  entry(name: string): DatasetEntry | undefined;
};

/** Undefined where the folder has no such file. */
export function readDatasetInfo(
  folder: string,
  warn: (warning: Warning) => void,
): DatasetInfo | undefined {
  const path = join(folder, 'dataset_info.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw badDatasetInfo({ file: path }, `cannot be read: ${why}`);
  }
  const all = parseJson(text, { file: path });
  if (!isJsonObject(all)) {
    throw badDatasetInfo(
      { file: path, line: 1 },
      `expected an object of data sets, found ${describe(all)}`,
    );
  }
  const placeOf = keyPlaces(text, path);
  return {
    path,
    names: Object.keys(all),
    entry(name) {
      if (!Object.hasOwn(all, name)) return undefined;
      const value = all[name] ?? null;
      if (isJsonObject(value)) return checkEntry(name, value, placeOf, warn);
      throw badDatasetInfo(placeOf([name]), `expected an object, found ${describe(value)}`);
    },
  };
}

export type PlaceOf = (path: readonly string[]) => Place;

/** Where a key stands. Only errors and warnings ask, so the positions are read when the first one does. */
function keyPlaces(text: string, file: string): PlaceOf {
  const lines = new LineCounter();
  let root: unknown;
  return (path) => {
    root ??= parseDocument(text, { lineCounter: lines }).contents;
    let node: unknown = root;
    let found: Place = { file, key: path.join('.') };
    for (const key of path) {
      if (!isMap(node)) break;
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
      const offset = isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
      if (!pair || offset === undefined) break;
      const { line, col } = lines.linePos(offset);
      found = { ...found, line, column: col };
      node = pair.value;
    }
    return found;
  };
}

export function checkEntry(
  name: string,
  entry: JsonObject,
  placeOf: PlaceOf,
  warn: (warning: Warning) => void,
): DatasetEntry {
  const place = (...path: readonly string[]): Place => placeOf([name, ...path]);
  const unknown = (path: readonly string[], known: readonly string[]): void => {
    const key = path.at(-1) ?? '';
    warn({
      code: 'data/unknown-key',
      message: `\`${key}\` means nothing in dataset_info.json${didYouMean(key, known)}; it is ignored`,
      help: `known: ${known.join(', ')}`,
      place: place(...path),
    });
  };
  for (const key of Object.keys(entry)) {
    if (!knownKeys.includes(key)) unknown([key], knownKeys);
  }
  const texts = <Name extends string>(
    group: 'columns' | 'tags',
    known: readonly Name[],
  ): Partial<Record<Name, string>> | undefined => {
    const value = entry[group] ?? null;
    if (value === null) return undefined;
    if (!isJsonObject(value))
      throw badDatasetInfo(place(group), `expected an object, found ${describe(value)}`);
    const found: Partial<Record<Name, string>> = {};
    for (const [key, column] of Object.entries(value)) {
      const match = known.find((word) => word === key);
      if (match === undefined) unknown([group, key], known);
      else if (typeof column === 'string') found[match] = column;
      else if (column !== null) {
        throw badDatasetInfo(
          place(group, key),
          `expected a column’s name, found ${describe(column)}`,
        );
      }
    }
    return found;
  };

  const formatting = optional(entry, 'formatting', 'string', place) ?? 'alpaca';
  if (!Object.hasOwn(formats, formatting)) {
    const known = Object.keys(formats);
    throw badDatasetInfo(
      place('formatting'),
      `no format is named \`${formatting}\`${didYouMean(formatting, known)}`,
      `known: ${known.join(', ')}`,
    );
  }
  const numSamples = optional(entry, 'num_samples', 'number', place);
  if (numSamples !== undefined && (!Number.isInteger(numSamples) || numSamples < 1)) {
    throw badDatasetInfo(place('num_samples'), `expected a count of rows, found \`${numSamples}\``);
  }
  const fileName = optional(entry, 'file_name', 'string', place);
  const hub = hubPlace((key) => optional(entry, key, 'string', place));
  if (fileName === undefined && hub === undefined) {
    for (const [key, why] of Object.entries(refused)) {
      if ((entry[key] ?? null) === null) continue;
      const help =
        'name the file in `file_name` once it lies in the folder, or the data set’s `hf_hub_url`';
      throw badDatasetInfo(place(key), `\`${key}\` is not served: ${why}`, help);
    }
    throw badDatasetInfo(place(), 'the data set names neither a `file_name` nor an `hf_hub_url`');
  }
  return {
    name,
    fileName,
    hub,
    formatting,
    numSamples,
    description: {
      columns: texts<ColumnName>('columns', columnNames),
      tags: texts<TagName>('tags', tagNames),
      ranking: optional(entry, 'ranking', 'boolean', place),
      // A row of this file gives LLaMA-Factory's tokens where its template does.
      detailedThinking: optional(entry, 'detailed_thinking', 'boolean', place) ?? 'named',
    },
    place: place(),
  };
}

function hubPlace(text: (key: string) => string | undefined): HubPlace | undefined {
  const ids = {
    huggingface: text('hf_hub_url'),
    modelscope: text('ms_hub_url'),
    openmind: text('om_hub_url'),
  };
  const at = { subset: text('subset'), split: text('split') ?? 'train', folder: text('folder') };
  return Object.values(ids).some((id) => id !== undefined) ? { ...ids, ...at } : undefined;
}

type Kinds = { string: string; number: number; boolean: boolean };

function optional<Kind extends keyof Kinds>(
  entry: JsonObject,
  key: string,
  kind: Kind,
  place: (...path: readonly string[]) => Place,
): Kinds[Kind] | undefined {
  const value: JsonValue = entry[key] ?? null;
  if (value === null) return undefined;
  const isKind = (found: JsonValue): found is Kinds[Kind] => typeof found === kind;
  if (isKind(value)) return value;
  const expected = { string: 'a text', number: 'a number', boolean: 'true or false' }[kind];
  throw badDatasetInfo(place(key), `expected ${expected}, found ${describe(value)}`);
}
