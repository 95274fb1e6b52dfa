import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestFile } from './digest.ts';
import { digestKnownFile, recall } from './known-digest.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-digest-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const memory = (): string => join(folder, 'memory');
const large = (): string => {
  const path = join(folder, 'rows.json');
  writeFileSync(path, 'x'.repeat(2 << 20));
  return path;
};
/** As if the file had been there for a while: what is quite new is not remembered. */
const later = (): void => {
  const real = Date.now;
  Date.now = () => real() + 10_000;
};
const now = Date.now;
afterEach(() => {
  Date.now = now;
});

test('a file that did not change is not read again', () => {
  const path = large();
  later();
  const digest = digestKnownFile(path, memory());
  expect(digest).toBe(digestFile(path));
  const [note = ''] = readdirSync(memory());
  const remembered = recall(join(memory(), note))!;
  // What is remembered is what is given, so a lie in the note comes out.
  writeFileSync(join(memory(), note), JSON.stringify({ ...remembered, digest: 'remembered' }));
  expect(digestKnownFile(path, memory())).toBe('remembered');
});

test('another size, or other bytes with the old time of change, is another file', () => {
  const path = large();
  later();
  const before = digestKnownFile(path, memory());
  appendFileSync(path, 'y');
  const longer = digestKnownFile(path, memory());
  expect(longer).not.toBe(before);
  writeFileSync(path, 'z'.repeat((2 << 20) + 1));
  utimesSync(path, 0, 0);
  expect(digestKnownFile(path, memory())).toBe(digestFile(path));
});

test('a file that was just written, or is small, is not remembered', () => {
  digestKnownFile(large(), memory());
  const small = join(folder, 'small.json');
  writeFileSync(small, '[]');
  later();
  digestKnownFile(small, memory());
  expect(() => readdirSync(memory())).toThrow();
});
