/** @file A whole data set written as a file of another format: streamed, and there whole or not at all. */
import { existsSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { TuneryError } from '../core/errors.ts';
import { writeFileAtomic } from '../files/atomic.ts';
import { type JsonObject, jsonKeys } from '../files/json.ts';
import { rowsText, toJsonText } from '../files/json-text.ts';
import { readRows } from '../files/rows.ts';
import { datasetEntry, type OnLoss, rowOf, type Target } from './convert.ts';
import { badOutEnding, cannotHold, outExists } from './doctor/errors.ts';
import { formatOf, type Source } from './sources.ts';

export type Converted = {
  readonly out: string;
  readonly format: Target;
  readonly rows: number;
  readonly left_out: number;
  /** What dataset_info.json should say of the file. */
  readonly entry: JsonObject;
};

export type ConvertOptions = {
  readonly to: Target;
  readonly onLoss: OnLoss;
  readonly progress?: (rows: number) => void;
  readonly signal?: AbortSignal;
};

export function convertFile(
  sources: readonly Source[],
  out: string,
  options: ConvertOptions,
): Converted {
  const ending = extname(out).toLowerCase();
  if (ending !== '.json' && ending !== '.jsonl') throw badOutEnding(out);
  if (existsSync(out)) throw outExists(out);
  const columns = new Set<string>();
  let rows = 0;
  let leftOut = 0;
  const texts = function* (): Generator<string> {
    for (const source of sources) {
      for (const row of convertedRows(source, options)) {
        if (((rows + leftOut) & 1023) === 0) {
          options.signal?.throwIfAborted();
          options.progress?.(rows);
        }
        if (row === undefined) {
          leftOut++;
          continue;
        }
        rows++;
        for (const key of Object.keys(row)) columns.add(key);
        yield toJsonText(row);
      }
    }
  };
  writeFileAtomic(out, rowsText(texts(), ending));
  const entry = datasetEntry(options.to, basename(out), columns);
  return { out, format: options.to, rows, left_out: leftOut, entry };
}

/** Undefined for a row that is left out. */
function* convertedRows(
  source: Source,
  { to, onLoss }: ConvertOptions,
): Generator<JsonObject | undefined> {
  const format = formatOf(source);
  const { reading } = source;
  const read = new Set([
    ...Object.values(reading.columns).filter((column) => column !== null),
    ...(reading.ranking ? ['chosen', 'rejected'] : []),
  ]);
  for (const file of source.files) {
    for (const { value, place } of readRows(file)) {
      try {
        const row = rowOf(format.read(value, reading, place), to, onLoss);
        yield withOthers(row, value, read);
      } catch (error) {
        const lost = error instanceof TuneryError && error.code === cannotHold.code;
        if (!lost || onLoss !== 'drop') throw error;
        yield undefined;
      }
    }
  }
}

/** Columns that no format reads go along as they are: ids, sources, scores. */
function withOthers(row: JsonObject, from: JsonObject, read: ReadonlySet<string>): JsonObject {
  const others = jsonKeys(from).filter((key) => !read.has(key) && !Object.hasOwn(row, key));
  if (others.length === 0) return row;
  return { ...row, ...Object.fromEntries(others.map((key) => [key, from[key] ?? null])) };
}
