/** @file Parquet and Arrow files that are cut off, or that hold what is not read: no row is lost without a word. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { formatError, TuneryError } from '../core/errors.ts';
import { readRows, rowEnding } from './rows.ts';

const golden = fileURLToPath(new URL('../../tests/golden/rows/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tunery-columnar-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fault(ending: string, bytes: Uint8Array): TuneryError | undefined {
  const path = join(folder, `rows${ending}`);
  writeFileSync(path, bytes);
  try {
    for (const _ of readRows(path));
  } catch (error) {
    if (error instanceof TuneryError) return error;
    throw error;
  }
  return undefined;
}

test.each([
  'encodings-1.parquet',
  'views.arrow',
  'table.feather',
  'stream.arrow',
  'lines.jsonl.gz',
])('%s, cut off anywhere, is refused', (name) => {
  const bytes = readFileSync(golden + name);
  const step = Math.max(1, Math.floor(bytes.length / 200));
  // Of an Arrow file, the list of its parts at the end is not needed to read it.
  const until = name.endsWith('.feather')
    ? bytes.indexOf(Buffer.alloc(4), bytes.length - 3000)
    : bytes.length;
  for (let length = 0; length < until - 8; length += step) {
    const error = fault(rowEnding(name), bytes.subarray(0, length));
    // Nothing at all is no gzip file with a fault, but an empty one of any kind.
    expect(error, `${length} of ${bytes.length} bytes`).toBeDefined();
  }
});

test('what is not read is named', () => {
  const parquet = readFileSync(`${golden}snappy.parquet`);
  const encrypted = Buffer.concat([parquet.subarray(0, -4), Buffer.from('PARE')]);
  expect(fault('.parquet', encrypted)?.message).toBe(
    'this parquet file cannot be read: it is encrypted',
  );
  const feather = Buffer.concat([Buffer.from('FEA1'), Buffer.alloc(40)]);
  expect(fault('.feather', feather)?.message).toMatch(/it is of the first version of Feather/);
});

test('a fault inside is told with its row and column', () => {
  const bytes = readFileSync(`${golden}plain.parquet`);
  // The text `row 30 …` of the column `instruction`, made no UTF-8.
  bytes[bytes.indexOf('row 30')] = 0xff;
  const error = fault('.parquet', bytes)!;
  expect(error.code).toBe('files/parquet');
  expect(formatError(error)).toMatch(
    /a text is not UTF-8\n {2}--> .*rows\.parquet \(row 0\): instruction\n/,
  );
  const arrow = readFileSync(`${golden}stream.arrow`);
  arrow[arrow.indexOf('row 30')] = 0xff;
  expect(formatError(fault('.arrow', arrow)!)).toMatch(/rows\.arrow \(row 30\): instruction\n/);
});

test.each([-1, 5, 2 ** 31 - 1])('offsets that lead nowhere are refused: %i', (wrong) => {
  const bytes = readFileSync(`${golden}stream.arrow`);
  // Of `row 0 none` and `row 1 plain`, the first texts of the first column.
  const at = bytes.indexOf(Buffer.from(Int32Array.of(0, 10, 21).buffer));
  bytes.writeInt32LE(wrong, at + 8);
  expect(fault('.arrow', bytes)?.message).toMatch(/its offsets are broken/);
});

test('the golden files are whole', () => {
  for (const name of ['snappy.parquet', 'stream.arrow', 'table.feather']) {
    expect(fault(extname(name), readFileSync(golden + name))).toBeUndefined();
  }
});
