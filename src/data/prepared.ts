/**
 * @file A Prepared set: named ragged columns over rows (ids, labels, …) in one mapped file, with where each
 * row came from. It is named by what decides its content, so that what lies in the cache is never stale.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { invariant, type Place } from '../core/errors.ts';
import { openSafetensors, type RawTensor, type SafetensorsFile } from '../files/safetensors.ts';
import { badPrepared } from './errors.ts';
import { shapeOf, stages } from './stage.ts';
import type { Warning } from './warning.ts';

const PlaceShape = z.object({
  file: z.string(),
  line: z.int().exactOptional(),
  column: z.int().exactOptional(),
  row: z.int().exactOptional(),
  key: z.string().exactOptional(),
});

export const Manifest = z.object({
  schema: z.literal(2),
  stage: z.enum(stages),
  split: z.enum(['train', 'eval']),
  /** Of all columns and bounds: equal sets have equal digests, wherever they were made. */
  digest: z.string(),
  tokenizer: z.string(),
  template: z.string(),
  stop_ids: z.array(z.int()),
  rows: z.int(),
  documents: z.int(),
  tokens: z.int(),
  targets: z.int(),
  /** Tokens that `cutoff_len` cut off. */
  truncated: z.int(),
  /** Rows that were left out because they hold no reply. */
  left_out: z.int(),
  files: z.array(z.string()),
  warnings: z.array(
    z.object({
      code: z.string(),
      message: z.string(),
      help: z.string(),
      place: PlaceShape.exactOptional(),
    }),
  ),
  /** What decides the content, by name, so that a difference can be told in words. */
  parts: z.record(z.string(), z.string()),
});
export type Manifest = z.infer<typeof Manifest>;

export const columnFile = 'rows.safetensors';
export const manifestFile = 'manifest.json';

/** Numbers of every document of the set, in the order of the rows. */
export type PerDocument = {
  /** Tokens that are fed. */
  readonly length: Int32Array;
  /** Tokens that `cutoff_len` was held against, before it cut: of a pair, the prompt and its longer reply. */
  readonly whole: Int32Array;
  readonly targets: Int32Array;
  /** Tokens that were cut off, and how many of them were of replies. */
  readonly truncated: Int32Array;
  readonly truncated_reply: Int32Array;
  /** Index in the manifest's `files`. */
  readonly file: Int32Array;
  /** From 1; 0 where a row has no line. */
  readonly line: Int32Array;
  /** From 0. */
  readonly row: Int32Array;
};

export type Prepared = {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly digest: string;
  /** Rows: each is one document, or the documents of one pack. */
  readonly count: number;
  /** Names of the columns, as `shapeOf` the stage lists them. */
  readonly columns: readonly string[];
  readonly tokens: number;
  readonly targets: number;
  readonly warnings: readonly Warning[];
  /** A row of a column: a view of the mapped file, to which nobody writes. Throws where the stage has no such column. */
  column(name: string, row: number): Int32Array;
  /** Column `input_ids`. */
  ids(row: number): Int32Array;
  /** Column `labels`: −100 where nothing is learned. The label at i is for the token at i, which position i − 1 predicts. */
  labels(row: number): Int32Array;
  /** Tokens of each of the row's documents, which attention never crosses; of a pair, of its three parts together. */
  documents(row: number): Int32Array;
  /** Labels of the row that count: other than −100, and not the first of a document. */
  targetsOf(row: number): number;
  readonly perDocument: PerDocument;
  /** Where each document of the row came from. */
  places(row: number): readonly Place[];
  /** Tokens of the row that `cutoff_len` cut off. */
  truncatedOf(row: number): number;
};

export function openPrepared(folder: string): Prepared {
  const manifest = readManifest(folder);
  const file = openSafetensors(join(folder, columnFile));
  const column = (name: string, length: number): Int32Array => readColumn(file, name, length);
  const offsets = (name: string): Offsets => readOffsets(file, name, manifest.rows + 1);

  const bounds = new Map<string, Offsets>();
  const columns = new Map<string, { values: Int32Array; bounds: Offsets }>();
  for (const [name, group] of Object.entries(shapeOf(manifest.stage).columns)) {
    const own = bounds.get(group) ?? offsets(`${group}_offsets`);
    bounds.set(group, own);
    columns.set(name, { values: column(name, own(manifest.rows)), bounds: own });
  }
  const documentOffsets = offsets('document_offsets');
  const ofDocuments = (name: string): Int32Array => column(name, manifest.documents);
  const perDocument: PerDocument = {
    length: ofDocuments('document_lengths'),
    whole: ofDocuments('document_whole'),
    targets: ofDocuments('document_targets'),
    truncated: ofDocuments('document_truncated'),
    truncated_reply: ofDocuments('document_truncated_reply'),
    file: ofDocuments('source_file'),
    line: ofDocuments('source_line'),
    row: ofDocuments('source_row'),
  };
  const { length: lengths, truncated, file: files, line: lines, row: sourceRows } = perDocument;
  const targets = column('targets', manifest.rows);

  const rowOf = (name: string, row: number): Int32Array => {
    const found = columns.get(name);
    invariant(found !== undefined, `a set of stage ${manifest.stage} has no column ${name}`);
    return found.values.subarray(found.bounds(row), found.bounds(row + 1));
  };
  const placeOf = (document: number): Place => ({
    file: manifest.files[files[document]] ?? '',
    ...(lines[document] > 0 ? { line: lines[document] } : {}),
    ...(sourceRows[document] >= 0 ? { row: sourceRows[document] } : {}),
  });
  const documentsOf = (row: number): readonly [number, number] => [
    documentOffsets(row),
    documentOffsets(row + 1),
  ];
  return {
    folder,
    manifest,
    digest: manifest.digest,
    count: manifest.rows,
    columns: [...columns.keys()],
    tokens: manifest.tokens,
    targets: manifest.targets,
    warnings: manifest.warnings,
    column: rowOf,
    ids: (row) => rowOf('input_ids', row),
    labels: (row) => rowOf('labels', row),
    documents: (row) => lengths.subarray(...documentsOf(row)),
    targetsOf: (row) => targets[row],
    perDocument,
    places(row) {
      const [from, to] = documentsOf(row);
      return Array.from({ length: to - from }, (_, i) => placeOf(from + i));
    },
    truncatedOf: (row) => truncated.subarray(...documentsOf(row)).reduce((sum, n) => sum + n, 0),
  };
}

export function readManifest(folder: string): Manifest {
  try {
    return Manifest.parse(JSON.parse(readFileSync(join(folder, manifestFile), 'utf8')));
  } catch (error) {
    throw badPrepared(folder, error instanceof Error ? (error.message.split('\n')[0] ?? '') : '');
  }
}

function tensorOf(file: SafetensorsFile, name: string, dtype: string, length: number): RawTensor {
  const tensor = file.tensors.get(name);
  if (tensor?.dtype === dtype && tensor.shape.length === 1 && tensor.shape[0] === length)
    return tensor;
  throw badPrepared(file.path, `its column ${name} is not the one that the manifest describes`);
}

/** The column as it is mapped; copied only where it does not lie on its own size. */
function readColumn(file: SafetensorsFile, name: string, length: number): Int32Array {
  const { buffer, byteOffset } = aligned(tensorOf(file, name, 'I32', length));
  return new Int32Array(buffer, byteOffset, length);
}

const aligned = ({ bytes }: RawTensor): Uint8Array =>
  bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();

/** Where a row begins in its column; of the row after the last, where the column ends. */
type Offsets = (row: number) => number;

/** Offsets as numbers: exact to 2⁵³, and far quicker to use than big integers. */
function readOffsets(file: SafetensorsFile, name: string, length: number): Offsets {
  const { buffer, byteOffset } = aligned(tensorOf(file, name, 'I64', length));
  const halves = new Uint32Array(buffer, byteOffset, 2 * length);
  return (row) => halves[2 * row] + halves[2 * row + 1] * 2 ** 32;
}
