/** @file Hostile files: each a clear error, in memory that a process of its own measures. Sizes are far apart on purpose. */
import { execFile } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tunery-bounds-'));
afterAll(() => rmSync(folder, { recursive: true }));

const script = `
const { readRows } = await import(process.argv[1]);
let [rows, error] = [0, ''];
try {
  for (const row of readRows(process.argv[2])) rows++;
} catch (thrown) {
  error = thrown.code + ': ' + thrown.message;
}
console.log(JSON.stringify({ rows, error, peak: process.resourceUsage().maxRSS * 1024 }));
`;

type Read = { readonly rows: number; readonly error: string; readonly peak: number };

async function readApart(path: string): Promise<Read> {
  const reader = new URL('./rows.ts', import.meta.url).href;
  const args = ['--input-type=module', '-e', script, reader, path];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout);
}

/** A file that begins so, and goes on with zero bytes that take no room on the disk. */
function sparse(name: string, start: string, size: number): string {
  const path = join(folder, name);
  const file = openSync(path, 'w');
  ftruncateSync(file, size);
  writeSync(file, start, 0);
  closeSync(file);
  return path;
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const gigabytes = 1e9;
/** Node itself takes a tenth of a gigabyte; one row, as bytes, as text and parsed, some tenths more. */
const bound = 0.8 * gigabytes;

test.each([
  ['a.jsonl', '{"a": "'],
  ['a.json', '[{"a": "'],
  ['b.json', '[1'],
  ['a.txt', 'text'],
  ['a.csv', 'a,b\n1,"x'],
])('a line of 2 GB: %s', async (name, start) => {
  const { error, peak } = await readApart(sparse(name, start, 2 * gigabytes));
  expect(error).toBe('files/row-too-large: one row is larger than 64.0 MB');
  expect(peak).toBeLessThan(bound);
});

test('a quote that is not closed on its line: what follows it is not read', async () => {
  const path = sparse('i.json', '[{"a": "x"},\n {"a": "x},\n {"a": ', 2 * gigabytes);
  const { rows, error, peak } = await readApart(path);
  expect({ rows, error }).toEqual({
    rows: 1,
    error: 'files/json: not valid JSON: a text in quotes is not closed on its line',
  });
  expect(peak).toBeLessThan(0.3 * gigabytes);
});

test.each([
  ['c.jsonl', '['.repeat(1e6), /nested more than 500 deep|this one is an array|ends before/],
  ['c.json', '['.repeat(1e6), /nested more than 500 deep/],
  ['d.jsonl', `{"a": ${'['.repeat(1e6)}`, /nested more than 500 deep/],
  ['d.json', `[{"a": ${'{"b":'.repeat(5e6)}`, /nested more than 500 deep/],
  ['e.jsonl', `{"a": [${'[],'.repeat(1e7)}1]}`, /more than 1000000 lists and objects/],
])('a million brackets: %s', async (name, content, message) => {
  const { rows, error, peak } = await readApart(file(name, content));
  expect({ rows, error }).toEqual({ rows: 0, error: expect.stringMatching(message) });
  expect(peak).toBeLessThan(bound);
});

test('a gzip bomb: 5 GB in 5 MB', async () => {
  const bomb = gzipSync(Buffer.alloc(100e6), { level: 9 });
  const path = file('f.jsonl.gz', Buffer.concat(Array<Buffer>(50).fill(bomb)));
  const { error, peak } = await readApart(path);
  expect(error).toBe('files/row-too-large: one row is larger than 64.0 MB');
  expect(peak).toBeLessThan(bound);
});

test('a parquet file whose page claims a gigabyte', async () => {
  // Of the golden file, the first page's header: its unpacked size is made 2^30 (a varint of five bytes).
  const { error, peak } = await readApart(file('g.parquet', parquetBomb()));
  expect(error).toBe('files/parquet: not a sound parquet file: the size of a page is impossible');
  expect(peak).toBeLessThan(bound);
});

/** One column `a` of one page, written by hand in Thrift's compact protocol. */
function parquetBomb(): Uint8Array {
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
  const i32 = (value: number): number[] => varint(value * 2);
  // Page: 1 type, 2 unpacked size, 3 size, 5 { 1 values, 2 encoding, 3 and 4 levels }.
  const page = [
    ...[0x15, ...i32(0), 0x15, ...i32(2 ** 30), 0x15, ...i32(4)],
    ...[0x2c, 0x15, ...i32(1), 0x15, ...i32(0), 0x15, ...i32(3), 0x15, ...i32(3), 0, 0],
    ...[0, 0, 0, 0],
  ];
  const name = [1, 97];
  // Column: 2 offset, 3 { 1 type, 2 encodings, 3 path, 4 codec, 5 values, 6 and 7 sizes, 9 data page }.
  const column = [
    ...[0x26, ...i32(4), 0x1c, 0x15, ...i32(1), 0x19, 0x15, ...i32(0), 0x19, 0x18, ...name],
    ...[0x15, ...i32(6), 0x16, ...i32(1), 0x16, ...i32(9), 0x16, ...i32(page.length)],
    ...[0x26, ...i32(4), 0, 0],
  ];
  const footer = [
    ...[0x15, ...i32(1), 0x19, 0x2c, 0x48, 1, 115, 0x15, ...i32(1), 0],
    ...[0x15, ...i32(1), 0x25, ...i32(0), 0x18, ...name, 0],
    ...[0x16, ...i32(1), 0x19, 0x1c, 0x19, 0x1c, ...column, 0x16, ...i32(9), 0x16, ...i32(1), 0, 0],
  ];
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  const mark = Buffer.from('PAR1');
  return Buffer.concat([mark, Buffer.from(page), Buffer.from(footer), length, mark]);
}

test('a sound file is read in memory that its size does not decide', async () => {
  const row = `${JSON.stringify({ instruction: 'ü'.repeat(200), output: 'x'.repeat(500) })}\n`;
  const path = file('h.jsonl', row.repeat(60_000));
  const { rows, peak } = await readApart(path);
  expect(rows).toBe(60_000);
  expect(peak).toBeLessThan(0.3 * gigabytes);
});
