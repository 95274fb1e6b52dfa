/**
 * @file A Prepared set: rows of ids and labels in one mapped file, with where each came from. It is named
 * by what decides its content, so that what lies in the cache is never stale.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Place } from '../core/errors.ts';
import { openSafetensors, type RawTensor, type SafetensorsFile } from '../files/safetensors.ts';
import { badPrepared } from './errors.ts';
import type { Warning } from './warning.ts';

const PlaceShape = z.object({
  file: z.string(),
  line: z.int().exactOptional(),
  column: z.int().exactOptional(),
  row: z.int().exactOptional(),
  key: z.string().exactOptional(),
});

export const Manifest = z.object({
  schema: z.literal(1),
  stage: z.enum(['pt', 'sft']),
  split: z.enum(['train', 'eval']),
  /** Of ids, labels and bounds: equal sets have equal digests, wherever they were made. */
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

export type Prepared = {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly digest: string;
  /** Rows: each is one document, or the documents of one pack. */
  readonly count: number;
  readonly tokens: number;
  readonly targets: number;
  readonly warnings: readonly Warning[];
  /** Views of the mapped file; nobody writes to them. */
  ids(row: number): Int32Array;
  /** −100 where nothing is learned. The label at i is for the token at i, which position i − 1 predicts. */
  labels(row: number): Int32Array;
  /** Lengths of the row's documents, which attention never crosses. */
  documents(row: number): Int32Array;
  /** Labels of the row that count: other than −100, and not the first of a document. */
  targetsOf(row: number): number;
  /** Where each document of the row came from. */
  places(row: number): readonly Place[];
  /** Tokens of the row that `cutoff_len` cut off. */
  truncatedOf(row: number): number;
};

export function openPrepared(folder: string): Prepared {
  const manifest = readManifest(folder);
  const file = openSafetensors(join(folder, columnFile));
  const column = (name: string, length: number): Int32Array => readColumn(file, name, length);
  const offsets = (name: string): Float64Array => readOffsets(file, name, manifest.rows + 1);

  const rowOffsets = offsets('row_offsets');
  const documentOffsets = offsets('document_offsets');
  const ids = column('input_ids', manifest.tokens);
  const labels = column('labels', manifest.tokens);
  const lengths = column('document_lengths', manifest.documents);
  const truncated = column('document_truncated', manifest.documents);
  const files = column('source_file', manifest.documents);
  const lines = column('source_line', manifest.documents);
  const sourceRows = column('source_row', manifest.documents);
  const targets = column('targets', manifest.rows);

  const within = (row: number): readonly [number, number] => [rowOffsets[row], rowOffsets[row + 1]];
  const placeOf = (document: number): Place => ({
    file: manifest.files[files[document]] ?? '',
    ...(lines[document] > 0 ? { line: lines[document] } : {}),
    ...(sourceRows[document] >= 0 ? { row: sourceRows[document] } : {}),
  });
  const documentsOf = (row: number): readonly [number, number] => [
    documentOffsets[row],
    documentOffsets[row + 1],
  ];
  return {
    folder,
    manifest,
    digest: manifest.digest,
    count: manifest.rows,
    tokens: manifest.tokens,
    targets: manifest.targets,
    warnings: manifest.warnings,
    ids: (row) => ids.subarray(...within(row)),
    labels: (row) => labels.subarray(...within(row)),
    documents: (row) => lengths.subarray(...documentsOf(row)),
    targetsOf: (row) => targets[row],
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
  const { bytes } = tensorOf(file, name, 'I32', length);
  const whole = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Int32Array(whole.buffer, whole.byteOffset, length);
}

/** Offsets as numbers: exact to 2⁵³, and far quicker to use than big integers. */
function readOffsets(file: SafetensorsFile, name: string, length: number): Float64Array {
  const { bytes } = tensorOf(file, name, 'I64', length);
  const words = new Uint32Array(bytes.slice().buffer);
  return Float64Array.from({ length }, (_, i) => words[2 * i] + words[2 * i + 1] * 2 ** 32);
}
