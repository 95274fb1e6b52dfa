/**
 * @file Rows of data files, one at a time, each with its place. Memory is bounded by the largest row (of columnar
 * files: by a group of rows), never by the file.
 */

import { basename } from 'node:path';
import { type Chunks, readChunks, skipMark } from './chunks.ts';
import { unknownRowFormat } from './errors.ts';
import { beginsArray, jsonValues } from './json-rows.ts';
import { jsonLines, textRows } from './line-rows.ts';
import type { Rows } from './row.ts';

export type { Row, Rows } from './row.ts';

type TextReader = (path: string, chunks: Chunks) => Rows;

/** Hugging Face's reader looks at what is in a file, not at whether it is named .json or .jsonl; so does this. */
const json = (otherwise: TextReader): TextReader =>
  function* (path, chunks) {
    const first = chunks.next();
    if (first.done) return;
    const all = prepend(first.value, chunks);
    yield* beginsArray(first.value) ? jsonValues(path, all, true) : otherwise(path, all);
  };

function* prepend(first: Buffer, rest: Chunks): Chunks {
  yield first;
  yield* rest;
}

const textFormats: Readonly<Record<string, TextReader>> = {
  '.json': json((path, chunks) => jsonValues(path, chunks, false)),
  '.jsonl': json(jsonLines),
  '.txt': textRows,
};

/** Endings that `readRows` takes. */
export const rowFormats: readonly string[] = Object.keys(textFormats);

/** The ending by which a file is read, in lower case (`.json`); empty where it has none that is known. */
export function rowEnding(path: string): string {
  const name = basename(path).toLowerCase();
  return rowFormats.find((ending) => name.endsWith(ending)) ?? '';
}

export type ReadOptions = {
  /** How many bytes are read at a time. The rows are the same for any number. */
  readonly chunkBytes?: number;
};

/** The rows of a file, by its ending. Reads as it is iterated. */
export function* readRows(path: string, options: ReadOptions = {}): Rows {
  const reader = textFormats[rowEnding(path)];
  if (!reader) throw unknownRowFormat(path, rowFormats);
  const chunks = skipMark(readChunks(path, options.chunkBytes));
  try {
    yield* reader(path, chunks);
  } finally {
    chunks.return();
  }
}
