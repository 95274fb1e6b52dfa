import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTemplate } from '../data/open-template.ts';
import { prepare } from '../data/prepare.ts';
import { type DataSettings, dataSection } from '../data/settings.ts';
import { lockFile } from '../native/lock.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { listCache, pruneCache, verifySets } from './cache.ts';

let folder: string;
const before = { cache: process.env['TUNERY_CACHE'], hub: process.env['HF_HUB_CACHE'] };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-cache-'));
  process.env['TUNERY_CACHE'] = join(folder, 'tunery');
  process.env['HF_HUB_CACHE'] = join(folder, 'hub');
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  for (const [key, value] of [
    ['TUNERY_CACHE', before.cache],
    ['HF_HUB_CACHE', before.hub],
  ] as const) {
    if (value === undefined) delete process.env[key];
    else process.env[key] = value;
  }
});

const defaults = Object.fromEntries(
  Object.entries(dataSection.fields).map(([key, { schema }]) => [key, schema.parse(undefined)]),
) as DataSettings;

/** Makes a set, last taken so many days ago. */
async function makeSet(rows: number, days = 0): Promise<string> {
  const file = join(folder, `${rows}.json`);
  const all = Array.from({ length: rows }, (_, i) => ({ instruction: `${i}`, output: 'a' }));
  writeFileSync(file, JSON.stringify(all));
  const { train } = await prepare({
    stage: 'sft',
    data: { ...defaults, dataset: [file] },
    ...openTemplate({ name: 'chatml', jinja: undefined, tokenizer: byteTokenizer() }),
    cache: join(folder, 'tunery', 'prepared'),
  });
  const then = new Date(Date.now() - days * 24 * 3600 * 1000);
  utimesSync(train!.folder, then, then);
  return train!.folder;
}

const none = { before: undefined, keepBytes: undefined, dryRun: false };
const daysAgo = (days: number): Date => new Date(Date.now() - days * 24 * 3600 * 1000);

test('sets, models and hub files are listed with what they take', async () => {
  await makeSet(3);
  for (const [path, bytes] of [
    ['tunery/models/tiny/model.gguf', 1000],
    ['hub/models--org--name/blobs/abc', 500],
  ] as const) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), 'x'.repeat(bytes));
  }
  const entries = listCache();
  expect(entries.map(({ kind }) => kind)).toEqual(['prepared', 'model', 'hub']);
  expect(entries.map(({ bytes }) => bytes).slice(1)).toEqual([1000, 500]);
  expect(entries[0]?.manifest?.rows).toBe(3);
});

test('a byte that changed is found', async () => {
  const path = await makeSet(3);
  expect([...verifySets()].map(({ fault }) => fault)).toEqual([undefined]);
  const file = join(path, 'rows.safetensors');
  const bytes = readFileSync(file);
  const at = bytes.indexOf(Buffer.from(Int32Array.of('a'.charCodeAt(0)).buffer));
  bytes[at]! ^= 1;
  writeFileSync(file, bytes);
  expect([...verifySets()][0]?.fault).toContain('not those that were written');
});

test('prune takes the damaged, the old, and the oldest of too many; a dry run takes none', async () => {
  const [old, middle, fresh] = [await makeSet(3, 40), await makeSet(4, 10), await makeSet(5)];
  const damaged = await makeSet(6);
  writeFileSync(join(damaged, 'manifest.json'), '{');
  const names = (pruned: readonly { entry: { path: string } }[]) =>
    pruned.map(({ entry }) => entry.path);

  expect(names(pruneCache({ ...none, before: daysAgo(30), dryRun: true }))).toEqual([old, damaged]);
  expect(existsSync(damaged)).toBe(true);
  expect(names(pruneCache({ ...none, before: daysAgo(30) }))).toEqual([old, damaged]);
  expect([old, damaged, middle, fresh].map((path) => existsSync(path))).toEqual([
    false,
    false,
    true,
    true,
  ]);
  const largest = Math.max(...listCache().map(({ bytes }) => bytes));
  expect(names(pruneCache({ ...none, keepBytes: largest }))).toEqual([middle]);
  expect(pruneCache(none)).toEqual([]);
});

test('a set that is being made stays', async () => {
  const path = await makeSet(3, 40);
  const cache = join(path, '..');
  const lock = lockFile(join(cache, 'locks', `${path.split('/').at(-1)}.lock`));
  expect(pruneCache({ ...none, before: daysAgo(30) })).toEqual([]);
  lock?.release();
  expect(pruneCache({ ...none, before: daysAgo(30) }).length).toBe(1);
});
