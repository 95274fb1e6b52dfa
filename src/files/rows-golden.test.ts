/** @file Rows of every format against those that Hugging Face's datasets reads in the same files (tests/golden/rows.py). */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { toPythonJson } from './json.ts';
import { readRows } from './rows.ts';

const folder = fileURLToPath(new URL('../../tests/golden/rows/', import.meta.url));
const expected: {
  readonly same: Readonly<Record<string, string>>;
  readonly rows: Readonly<Record<string, readonly string[]>>;
} = JSON.parse(readFileSync(`${folder}expected.json`, 'utf8'));

const printed = (name: string): string[] =>
  Array.from(readRows(folder + name), ({ value }) => toPythonJson(value));

test.each(Object.entries(expected.same))('%s', (name, list) => {
  expect(printed(name)).toEqual(expected.rows[list]);
});

test('a parquet file without rows has none', () => {
  expect(printed('none.parquet')).toEqual([]);
});

test('every file is looked at', () => {
  const files = readdirSync(folder).filter(
    (name) => !/^(expected\.json|none\.parquet)$/.test(name),
  );
  expect(files.sort()).toEqual(Object.keys(expected.same).sort());
});
