/** @file Every row reader on what nobody meant it to read: only errors of ours, always an end, and no matter how it is cut. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { TuneryError } from '../core/errors.ts';
import { gunzip } from './inflate.ts';
import { toPythonJson } from './json.ts';
import { readRows, rowEnding, rowFormats } from './rows.ts';

const golden = fileURLToPath(new URL('../../tests/golden/rows/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tunery-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

const seed = 11;
/** A damaged count may stand for millions of nulls: those are rows, and no fault. */
const enough = 2000;

/** The rows as text, or the code of the error; anything but an error of ours is thrown. */
function outcome(ending: string, bytes: Uint8Array, chunkBytes?: number): string[] | string {
  const path = join(folder, `file${ending}`);
  writeFileSync(path, bytes);
  const rows: string[] = [];
  try {
    for (const { value, place } of readRows(path, chunkBytes ? { chunkBytes } : {})) {
      rows.push(`${place.line ?? ''} ${place.row} ${toPythonJson(value)}`);
      if (rows.length === enough) break;
    }
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    return `${error.code} ${error.place?.line}:${error.place?.column} ${error.message}`;
  }
  return rows;
}

const isText = (ending: string): boolean => !/gz|parquet|arrow|feather/.test(ending);

describe('random bytes give rows or an error of ours', () => {
  test.each(rowFormats)('%s', (ending) => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc
        .string({ unit: fc.constantFrom(...'[]{}",:\\\n\r\t 01e.-untrueé\ud83d') })
        .map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(bytes, (some) => void outcome(ending, some)),
      { seed, numRuns: 150 },
    );
  });
});

const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  kind: fc.constantFrom('flip', 'set', 'cut', 'insert', 'remove', 'head', 'tail'),
  value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)),
});

function mutate(
  bytes: Uint8Array,
  changes: readonly { at: number; kind: string; value: number }[],
): Buffer {
  let out = Buffer.from(bytes);
  for (const { at, kind, value } of changes) {
    // Most of what is decided stands near the ends of columnar files.
    const place = { head: at * 256, tail: out.length - at * 600 }[kind] ?? at * out.length;
    const i = Math.max(0, Math.min(out.length - 1, Math.floor(place)));
    if (kind === 'flip') out[i]! ^= 1 << (value & 7);
    else if (kind === 'cut') out = out.subarray(0, i);
    else if (kind === 'insert')
      out = Buffer.concat([out.subarray(0, i), Buffer.from([value]), out.subarray(i)]);
    else if (kind === 'remove')
      out = Buffer.concat([out.subarray(0, i), out.subarray(i + 1 + (value & 7))]);
    else if (out.length > 0) out[i] = value;
  }
  return out;
}

describe('damaged files give rows or an error of ours', () => {
  const names = readdirSync(golden).filter((name) => name !== 'expected.json');
  test.each(names)('%s', (name) => {
    const sound = readFileSync(golden + name);
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (changes) => {
        outcome(rowEnding(name), mutate(sound, changes));
      }),
      { seed, numRuns: isText(name) ? 150 : 100 },
    );
  });
});

describe('any size of chunks gives the same', () => {
  const pieces = fc.array(
    fc.constantFrom(
      '{"a": "x"}',
      '{"a": [1.0, {"b": "]}\\\\\\""}]}',
      '{"ü": "日本😀"}',
      ',',
      '[',
      ']',
      '\n',
      '\r\n',
      ' ',
      '"q,\n""r"',
      'a,b',
      '\ufeff',
      '{"a": 1',
      '\\"',
      '"',
      '1',
      'é',
    ),
    { maxLength: 14 },
  );
  test.each(rowFormats.filter((ending) => isText(ending.replace('.gz', ''))))('%s', (ending) => {
    fc.assert(
      fc.property(pieces, fc.constantFrom(1, 2, 3, 5, 7, 16, 33), (parts, chunkBytes) => {
        const text = Buffer.from(parts.join(''));
        const bytes = ending.endsWith('.gz') ? gzipSync(text) : text;
        expect(outcome(ending, bytes, chunkBytes)).toEqual(outcome(ending, bytes));
      }),
      { seed, numRuns: 150 },
    );
  });
});

test.each(['.json', '.jsonl'])('random values are read as JSON.parse reads them: %s', (ending) => {
  const row = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ stringUnit: 'binary' }));
  fc.assert(
    fc.property(fc.array(row, { maxLength: 5 }), fc.boolean(), (rows, pretty) => {
      const path = join(folder, `values${ending}`);
      const text =
        ending === '.json'
          ? JSON.stringify(rows, null, pretty ? 2 : 0)
          : rows.map((each) => JSON.stringify(each)).join('\n');
      writeFileSync(path, text);
      // Through JSON once more: it keeps the text of numbers, which `JsonNumber` holds.
      const read = Array.from(readRows(path), ({ value }) => JSON.parse(JSON.stringify(value)));
      expect(read).toEqual(JSON.parse(JSON.stringify(rows)));
    }),
    { seed, numRuns: 150 },
  );
});

test.each([
  ['.csv', ','],
  ['.tsv', '\t'],
])('random cells are read as they were written: %s', (ending, separator) => {
  const cell = fc.string({ unit: fc.constantFrom(...'ab",\t\r\n é😀') }).map((text) => `x${text}`);
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 6 }), (rows) => {
      const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
      const lines = [['one', 'two'], ...rows].map((cells) => cells.map(quoted).join(separator));
      const path = join(folder, `cells${ending}`);
      writeFileSync(path, lines.join('\r\n'));
      const read = Array.from(readRows(path), ({ value }) => [value.one, value.two]);
      expect(read).toEqual(rows);
    }),
    { seed, numRuns: 150 },
  );
});

test('what gzip packed comes out as it was, in pieces of any size', () => {
  function* cut(bytes: Buffer, size: number) {
    for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
  }
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
    fc
      .array(fc.constantFrom('ab', 'abc', 'hello ', '日本'), { maxLength: 2000 })
      .map((parts) => Buffer.from(parts.join(''))),
  );
  fc.assert(
    fc.property(
      fc.array(content, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 1, max: 500 }),
      (members, level, size) => {
        const packed = Buffer.concat(members.map((member) => gzipSync(member, { level })));
        const out = Buffer.concat([...gunzip('x.gz', cut(packed, size), size)]);
        expect(out.equals(Buffer.concat(members))).toBe(true);
      },
    ),
    { seed, numRuns: 150 },
  );
});

test('a gzip that repeats what was never there is refused', () => {
  const dictionary = Buffer.from('what was never there');
  const body = deflateRawSync(dictionary, { dictionary });
  const whole = Buffer.concat([
    gzipSync('').subarray(0, 10),
    body,
    gzipSync(dictionary).subarray(-8),
  ]);
  expect(outcome('.txt.gz', whole)).toMatch(/a repeat reaches back before the beginning/);
});

test('a gzip whose content was changed is refused by its sum', () => {
  const text = Buffer.from('a row\n'.repeat(50));
  const packed = gzipSync(text);
  const other = deflateRawSync(Buffer.from('another row\n'.repeat(50)));
  const forged = Buffer.concat([packed.subarray(0, 10), other, packed.subarray(-8)]);
  expect(outcome('.txt.gz', forged)).toMatch(/its checksum is wrong/);
  expect(outcome('.txt.gz', packed.subarray(0, -3))).toMatch(/it ends too early/);
  expect(outcome('.txt.gz', packed)).toHaveLength(51 - 1);
});
