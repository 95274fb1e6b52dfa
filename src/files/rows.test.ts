import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { formatError, TuneryError } from '../core/errors.ts';
import { JsonNumber } from './json.ts';
import { readRows } from './rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-rows-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const rows = (name: string, content: string | Uint8Array) =>
  [...readRows(file(name, content))].map(({ value, place }) => [value, place.line, place.row]);
const fault = (name: string, content: string | Uint8Array): TuneryError => {
  try {
    rows(name, content);
  } catch (error) {
    if (error instanceof TuneryError) return error;
    throw error;
  }
  throw new Error('no error');
};

test('each element of an array has its own line', () => {
  expect(rows('a.json', '\ufeff[\n  {"a": 1},\n\n  {\n "a": "x]}\\""\n }, {"a": 3}\n]\n')).toEqual([
    [{ a: 1 }, 2, 0],
    [{ a: 'x]}"' }, 4, 1],
    [{ a: 3 }, 6, 2],
  ]);
});

test('objects one a line are read from a .json too, and an array from a .jsonl', () => {
  expect(rows('b.json', '{"a": 1}\n{"a":\n2}{"a": 3}')).toEqual([
    [{ a: 1 }, 1, 0],
    [{ a: 2 }, 2, 1],
    [{ a: 3 }, 3, 2],
  ]);
  expect(rows('b.jsonl', '[{"a": 1},\n{"a": 2}]')).toEqual([
    [{ a: 1 }, 1, 0],
    [{ a: 2 }, 2, 1],
  ]);
});

test('jsonl: blank lines are no rows, the last line needs no line feed', () => {
  expect(rows('c.jsonl', '{"a": 1}\r\n\n  \n{"a": 2}')).toEqual([
    [{ a: 1 }, 1, 0],
    [{ a: 2 }, 4, 1],
  ]);
});

test('txt: one row a line, blank ones too', () => {
  expect(rows('d.txt', 'one\r\n\nthrée\n')).toEqual([
    [{ text: 'one' }, 1, 0],
    [{ text: '' }, 2, 1],
    [{ text: 'thrée' }, 3, 2],
  ]);
});

test('empty files and empty arrays have no rows', () => {
  for (const [name, text] of [
    ['e.json', ''],
    ['e.json', ' [ ] '],
    ['e.jsonl', '\n'],
    ['e.txt', ''],
  ] as const) {
    expect(rows(name, text)).toEqual([]);
  }
});

test('rows larger than a chunk, and ends that fall on a chunk boundary', () => {
  const big = 'ü'.repeat(200);
  // Each offset puts another byte of the syntax on the boundary.
  for (let pad = 0; pad < 12; pad++) {
    const text = `[${' '.repeat(64 - 8 - pad)}{"a": 1},{"b": "${big}"},\n{"c": 3}]`;
    const read = Array.from(readRows(file('f.json', text), { chunkBytes: 64 }));
    expect(read.map(({ value }) => Object.keys(value)[0])).toEqual(['a', 'b', 'c']);
    expect(read[2]!.place).toMatchObject({ line: 2, row: 2 });
  }
});

test('memory stays bounded: iterating stops reading when the reader stops', () => {
  const path = file('g.jsonl', '{"a": 1}\nbroken');
  const iterator = readRows(path);
  expect(iterator.next().value?.value).toEqual({ a: 1 });
  iterator.return();
  expect(iterator.next().done).toBe(true);
});

const many = Array.from({ length: 400 }, (_, i) => `  {"instruction": "q${i}", "output": "a"}`);

test('broken JSON at row 381 is told by file, line, column and row', () => {
  const broken = many.with(381, '  {"instruction": "q381, "output": "a"}');
  const error = fault('h.json', `[\n${broken.join(',\n')}\n]`);
  expect(error.place).toMatchObject({ line: 383, column: 27, row: 381 });
  expect(formatError(error)).toBe(
    'error[files/json]: not valid JSON: expected `,` or `}`, found `output": "a"},`\n' +
      `  --> ${join(folder, 'h.json')}:383:27 (row 381)\n` +
      '  help: mend the file there; often a quote, comma or bracket just before is missing or one too many',
  );
  const lines = fault('h.jsonl', broken.join('\n'));
  expect(lines.place).toMatchObject({ line: 382, column: 27, row: 381 });
});

test.each([
  ['i.json', '[{"a": 1}', /the file ends before the closing `]`/, 1],
  ['i.json', '[{"a": 1},\n{"a": ', /expected a value, found the end/, 2],
  ['i.json', '[{"a": 1}\n {"a": 2}]', /expected `,` or `]` after the row, found `{"a": 2}]`/, 2],
  ['i.json', '[{"a": 1},\n]', /a comma stands before `]`/, 2],
  ['i.json', '[{"a": 1}]\nx', /after the closing `]` stands `x`/, 2],
  ['i.json', '[1, 2]', /a row must be an object .* this one is a number/, 1],
  ['i.json', '[{"a": 1}, null]', /this one is null/, 1],
  ['i.jsonl', '{"a": 1}\n["x"]', /this one is an array/, 2],
  ['i.jsonl', '{"a": 1}\n{"a": "x', /a text in quotes is never closed/, 2],
  ['i.json', '{"a": "x\n{"a": 1}', /a text in quotes is not closed on its line/, 1],
])('%s %j', (name, content, message, line) => {
  const error = fault(name, content);
  expect(error.message).toMatch(message);
  expect(error.place?.line).toBe(line);
});

test('columns count characters, however many rows stand on a line before', () => {
  const place = (text: string) => fault('l.json', text).place;
  expect(place('[{"a": "ü😀"}, {"é": 1} x]')).toMatchObject({ line: 1, column: 25, row: 2 });
  expect(place('[{"a":\n"ü"}, {"b": }]')).toMatchObject({ line: 2, column: 13, row: 1 });
  expect(place('[{"a": "ü"}] x')).toMatchObject({ line: 1, column: 14 });
});

test('lazily: a row is parsed when its value is asked for, and its bytes are those of the file', () => {
  for (const [name, open, close] of [
    ['m.json', '[ ', ' ]'],
    ['m.jsonl', '', ''],
  ] as const) {
    const path = file(name, `${open}{"a": no} ${open ? ',' : ''}\n{"b": "ü"}${close}`);
    const [broken, sound] = [...readRows(path, { lazy: true })];
    expect(() => broken!.value).toThrow(/expected a value, found `no}/);
    expect(Buffer.from(sound!.json!.bytes).toString()).toBe('{"b": "ü"}');
    expect(sound!.value).toEqual({ b: 'ü' });
    expect(() => [...readRows(path)]).toThrow(/expected a value/);
  }
});

test('other encodings, endings and missing files are errors', () => {
  expect(fault('j.jsonl', Buffer.from('\ufeff{"a": 1}', 'utf16le')).code).toBe('files/not-utf8');
  expect(fault('j.jsonl', Buffer.from([123, 0xff, 125])).message).toMatch(/not UTF-8/);
  expect(fault('j.xml', '').code).toBe('files/unknown-format');
  expect(() => [...readRows(join(folder, 'none.json'))]).toThrow(/does not exist/);
  expect(() => [...readRows(`${folder}/.json/`)]).toThrow(TuneryError);
  mkdirSync(join(folder, 'folder.json'));
  expect(() => [...readRows(join(folder, 'folder.json'))]).toThrow(/is a folder, not a file/);
});

test.each([
  ['k.json', 'PAR1', /is a parquet file/, /end in .parquet/],
  ['k.csv', 'ARROW1', /is an Arrow file/, /end in .arrow/],
  ['k.parquet', 'ARROW1', /is an Arrow file/, /end in .arrow/],
  ['k.jsonl', gzipSync(''), /compressed by gzip/, /end in .gz/],
  ['k.jsonl', new Uint8Array([0x28, 0xb5, 0x2f, 0xfd]), /compressed by zstd/, /unpack it first/],
  ['k.json', 'PK\x03\x04', /a zip archive/, /unpack it first/],
])('%s is named for what it is: %s', (name, content, message, help) => {
  const error = fault(name, content);
  expect(error.code).toBe('files/wrong-ending');
  expect(error.message).toMatch(message);
  expect(error.help).toMatch(help);
});

test('what is packed has the lines of what it packs', () => {
  expect(rows('l.JSONL.gz', gzipSync('{"a": 1}\n\n{"a": 2}'))).toEqual([
    [{ a: 1 }, 1, 0],
    [{ a: 2 }, 3, 1],
  ]);
  expect(fault('l.txt.gz', 'plain').message).toMatch(/it does not begin as one does/);
});

test('an array of texts has a row for each; a text among objects is an error', () => {
  expect(rows('m.json', '["x", "y"]')).toEqual([
    [{ text: 'x' }, 1, 0],
    [{ text: 'y' }, 1, 1],
  ]);
  expect(fault('m.json', '[{"a": 1}, "y"]').message).toMatch(/this one is a text/);
});

test('tables: lines, quotes, gaps, and columns of numbers', () => {
  const table = 'text,n,flag\r\n"one\r\n""1""",1,True\r\n\r\ntwo,2\r\n';
  expect(rows('n.csv', table)).toEqual([
    [{ text: 'one\r\n"1"', n: 1, flag: true }, 2, 0],
    [{ text: 'two', n: 2, flag: null }, 5, 1],
  ]);
  expect(rows('n.tsv', 'a\tb\n1\tx,y\n\tz\n')).toEqual([
    [{ a: new JsonNumber('1.0'), b: 'x,y' }, 2, 0],
    [{ a: null, b: 'z' }, 3, 1],
  ]);
});

test('what JSON has no number for is text, so that it can go on as JSON', () => {
  expect(rows('q.csv', 'x\n-inf\n1\n')).toEqual([
    [{ x: '-inf' }, 2, 0],
    [{ x: new JsonNumber('1.0') }, 3, 1],
  ]);
});

test.each([
  ['a,b\n1,2,3', /this row has 3 cells, but the header names 2 columns/, 2, 1],
  ['a,a\n1,2', /the column `a` stands twice/, 1, undefined],
  ['a\n"x', /a quote is never closed/, 2, 1],
])('%j', (text, message, line, column) => {
  const error = fault('o.csv', text);
  expect(error.message).toMatch(message);
  expect(error.place?.line).toBe(line);
  if (column) expect(error.place?.column ?? 1).toBe(column);
});

test('the first 10,000 rows decide what a column holds; one that does not fit later is named', () => {
  const numbers = Array.from({ length: 10_000 }, (_, i) => `${i}`);
  const error = fault('p.csv', ['n', ...numbers, 'many'].join('\n'));
  expect(error.message).toMatch(/`many` stands in a column that holds whole numbers before/);
  expect(error.place).toMatchObject({ line: 10_002, row: 10_000, key: 'n' });
});
