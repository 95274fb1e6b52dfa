/**
 * @file Rows of data files, one at a time, each with its place. Memory is bounded by the largest row (of columnar
 * files: by a group of rows), never by the file.
 */
import { basename } from 'node:path';
import { arrowRows } from './arrow-rows.ts';
import { type Chunks, openFile, readChunks, skipMark } from './chunks.ts';
import { tableRows } from './csv-rows.ts';
import { unknownRowFormat, wrongEnding } from './errors.ts';
import { gunzip } from './inflate.ts';
import { jsonRows, jsonValues } from './json-rows.ts';
import { jsonLines, textRows } from './line-rows.ts';
import { parquetRows } from './parquet-rows.ts';
import type { OnBadRow, Rows } from './row.ts';

export type { Row, Rows } from './row.ts';

type TextReader = (path: string, chunks: Chunks, onBadRow?: OnBadRow) => Rows;

const textFormats: Readonly<Record<string, TextReader>> = {
  '.json': jsonRows((path, chunks) => jsonValues(path, chunks, false)),
  '.jsonl': jsonRows(jsonLines),
  '.csv': tableRows(','),
  '.tsv': tableRows('\t'),
  '.txt': textRows,
};

const binaryFormats: Readonly<Record<string, (path: string) => Rows>> = {
  '.parquet': parquetRows,
  '.arrow': arrowRows,
  '.feather': arrowRows,
};

/** Endings that `readRows` takes. */
export const rowFormats: readonly string[] = [
  ...Object.keys(textFormats).flatMap((ending) => [ending, `${ending}.gz`]),
  ...Object.keys(binaryFormats),
];

/** The ending by which a file is read, in lower case (`.json.gz`); empty where it has none that is known. */
export function rowEnding(path: string): string {
  const name = basename(path).toLowerCase();
  return rowFormats.find((ending) => name.endsWith(ending)) ?? '';
}

export type ReadOptions = {
  /** How many bytes are read at a time. The rows are the same for any number. */
  readonly chunkBytes?: number;
  /** Leaves objects of JSON unparsed until their value is asked for, which may be never, and is then where faults show. */
  readonly lazy?: boolean;
  /** Takes the fault of a table's row with too many cells, which is then left out; without it reading ends there. */
  readonly onBadRow?: OnBadRow | undefined;
};

/** The rows of a file, by its ending, which its first bytes must not belie. Reads as it is iterated. */
export function* readRows(path: string, options: ReadOptions = {}): Rows {
  const { chunkBytes, lazy = false, onBadRow } = options;
  const ending = rowEnding(path);
  if (ending === '') throw unknownRowFormat(path, rowFormats);
  checkEnding(path);
  const binary = binaryFormats[ending];
  if (binary) {
    yield* binary(path);
    return;
  }
  const isPacked = ending.endsWith('.gz');
  const bytes = readChunks(path, chunkBytes);
  const chunks = skipMark(isPacked ? gunzip(path, bytes, chunkBytes) : bytes);
  try {
    const read = textFormats[isPacked ? ending.slice(0, -'.gz'.length) : ending]!;
    const rows = read(path, chunks, onBadRow);
    if (lazy) yield* rows;
    else for (const { value, place } of rows) yield { value, place };
  } finally {
    chunks.return();
  }
}

/** What files of other kinds begin with. */
const signatures: readonly (readonly [bytes: Buffer, what: string, endings: readonly string[]])[] =
  [
    [Buffer.from('PAR1'), 'a parquet file', ['.parquet']],
    [Buffer.from('ARROW1'), 'an Arrow file', ['.arrow', '.feather']],
    [Buffer.from([0x1f, 0x8b]), 'compressed by gzip', ['.gz']],
    [Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), 'compressed by zstd', ['.zst']],
    [Buffer.from('PK\x03\x04'), 'a zip archive', ['.zip']],
  ];

/** Refuses a file whose first bytes are those of another kind than its ending says. */
export function checkEnding(path: string): void {
  const ending = rowEnding(path);
  const file = openFile(path);
  const start = Buffer.alloc(8);
  try {
    file.read(start, 0);
  } finally {
    file.close();
  }
  for (const [bytes, what, endings] of signatures) {
    if (!start.subarray(0, bytes.length).equals(bytes)) continue;
    if (endings.some((known) => ending.endsWith(known))) return;
    throw wrongEnding(path, what, endings[0]!, rowFormats);
  }
}
