import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { formatError, TuneryError } from '../core/errors.ts';
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
  const big = 'ü'.repeat(3 << 20);
  // Sizes around 4 MiB: each offset puts another byte of the syntax on the boundary.
  for (let pad = 0; pad < 12; pad++) {
    const text = `[${' '.repeat((4 << 20) - 8 - pad)}{"a": 1},{"b": "${big}"},\n{"c": 3}]`;
    const read = rows('f.json', text);
    expect(read.map(([value]) => Object.keys(value as object)[0])).toEqual(['a', 'b', 'c']);
    expect(read[2]!.slice(1)).toEqual([2, 2]);
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

test('other encodings, endings and missing files are errors', () => {
  expect(fault('j.jsonl', Buffer.from('\ufeff{"a": 1}', 'utf16le')).code).toBe('files/not-utf8');
  expect(fault('j.jsonl', Buffer.from([123, 0xff, 125])).message).toMatch(/not UTF-8/);
  expect(fault('j.xml', '').code).toBe('files/unknown-format');
  expect(() => [...readRows(join(folder, 'none.json'))]).toThrow(/does not exist/);
  expect(() => [...readRows(`${folder}/.json/`)]).toThrow(TuneryError);
});
