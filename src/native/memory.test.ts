import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { addon } from './addon.ts';
import {
  allocate,
  availableMemory,
  dropPages,
  mapFile,
  peakMemory,
  residentMemory,
} from './memory.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-memory-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

test('a mapped file is its bytes; writes stay in the process, and dropped pages are read again', () => {
  const bytes = Uint8Array.from({ length: 10_001 }, (_, i) => i % 251);
  const path = file('some', bytes);
  const mapped = mapFile(path);
  expect(mapped).toEqual(bytes);
  mapped[5000] = 255;
  expect(mapFile(path)[5000]).toBe(5000 % 251);
  expect(dropPages(mapped)).toBe(true);
  expect(mapped).toEqual(bytes);
});

test('dropping a part leaves the rest as it is', () => {
  const page = 16384;
  const mapped = mapFile(file('part', new Uint8Array(4 * page).fill(7)));
  mapped.fill(9);
  expect(dropPages(mapped.subarray(page + 1, 3 * page))).toBe(true);
  expect(mapped[page]).toBe(9);
  expect(mapped[3 * page - 1]).toBe(7);
  expect(mapped[3 * page]).toBe(9);
});

test('memory of other origin is never dropped', () => {
  const own = new Uint8Array(1 << 20).fill(3);
  expect(dropPages(own)).toBe(false);
  expect(own.every((byte) => byte === 3)).toBe(true);
});

test('an empty file is an empty array', () => {
  expect(mapFile(file('empty', new Uint8Array(0))).length).toBe(0);
});

test('what cannot be mapped is named', () => {
  const path = join(folder, 'absent');
  expect(() => mapFile(path)).toThrow(
    expect.objectContaining({ code: 'native/file-not-mapped', place: { file: path } }),
  );
  expect(() => mapFile(folder)).toThrow(/not a regular file/);
});

test('allocated memory is zeroed, of the size asked for, and can be given back', () => {
  for (const bytes of [1, 64, 1000, 1 << 20, (4 << 20) + 1, 9_999_999]) {
    const array = new Uint8Array(allocate(bytes));
    expect(array.length).toBe(bytes);
    expect(array.every((byte) => byte === 0)).toBe(true);
    array.fill(1);
    if (bytes >= 1 << 20) {
      expect(dropPages(array)).toBe(true);
      expect(array.every((byte) => byte === 0)).toBe(true);
    }
  }
  expect(allocate(0).byteLength).toBe(0);
});

test('a size that no machine has is an error that says what to do', () => {
  expect(() => allocate(2 ** 50)).toThrow(
    expect.objectContaining({
      code: 'native/out-of-memory',
      help: expect.stringContaining('smaller'),
    }),
  );
});

test('memory goes back to the system when it is collected', async () => {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const size = 100e6;
  const before = residentMemory();
  (() => new Uint8Array(allocate(size)).fill(1))();
  expect(residentMemory() - before).toBeGreaterThan(0.9 * size);
  expect(peakMemory()).toBeGreaterThanOrEqual(before + 0.9 * size);
  for (let i = 0; i < 20 && residentMemory() - before > 0.1 * size; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(residentMemory() - before).toBeLessThan(0.1 * size);
});

test('there is memory', () => {
  expect(availableMemory()).toBeGreaterThan(1e6);
  expect(availableMemory()).toBeLessThan(1e15);
  expect(Object.keys(addon())).toContain('mapFile');
});
