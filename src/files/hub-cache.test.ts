import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { findSnapshot, hubCacheFolder, isHubId, listCached, tuneryCache } from './hub-cache.ts';

const cache = mkdtempSync(join(tmpdir(), 'tunery-hub-'));
afterAll(() => rmSync(cache, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

test('the folder follows huggingface_hub’s variables, in its order', () => {
  const names = [
    'HF_HUB_CACHE',
    'HUGGINGFACE_HUB_CACHE',
    'HF_HOME',
    'XDG_CACHE_HOME',
    'TUNERY_CACHE',
  ];
  for (const name of names) vi.stubEnv(name, '');
  expect(hubCacheFolder()).toBe(join(homedir(), '.cache/huggingface/hub'));
  expect(tuneryCache()).toBe(join(homedir(), '.cache/tunery'));
  vi.stubEnv('XDG_CACHE_HOME', '/xdg');
  expect(hubCacheFolder()).toBe('/xdg/huggingface/hub');
  expect(tuneryCache()).toBe('/xdg/tunery');
  vi.stubEnv('HF_HOME', '~/hf');
  expect(hubCacheFolder()).toBe(join(homedir(), 'hf/hub'));
  vi.stubEnv('HF_HUB_CACHE', '/direct');
  expect(hubCacheFolder()).toBe('/direct');
  vi.stubEnv('TUNERY_CACHE', '/own');
  expect(tuneryCache()).toBe('/own');
});

test('snapshots are found by branch, nested ref and commit', () => {
  const root = join(cache, 'models--org--a-model.v1');
  const [main, pull] = ['1'.repeat(40), '2'.repeat(40)];
  for (const commit of [main, pull])
    mkdirSync(join(root, 'snapshots', commit), { recursive: true });
  mkdirSync(join(root, 'refs/refs/pr'), { recursive: true });
  writeFileSync(join(root, 'refs/main'), main);
  writeFileSync(join(root, 'refs/refs/pr/1'), `${pull}\n`);
  writeFileSync(join(root, 'refs/gone'), '3'.repeat(40));
  const find = (revision?: string) =>
    findSnapshot({ kind: 'model', id: 'org/a-model.v1' }, revision, cache)?.commit;
  expect(find()).toBe(main);
  expect(find('refs/pr/1')).toBe(pull);
  expect(find(pull)).toBe(pull);
  expect(find('gone')).toBeUndefined();
  expect(find('../main')).toBeUndefined();
  expect(findSnapshot({ kind: 'dataset', id: 'org/a-model.v1' }, 'main', cache)).toBeUndefined();
  expect(listCached('model', cache)).toEqual(['org/a-model.v1']);
  expect(listCached('model', join(cache, 'none'))).toEqual([]);
});

test('names that are hub ids', () => {
  expect(['gpt2', 'org/name', 'org/name-1.5_b'].every(isHubId)).toBe(true);
  expect(['a/b/c', '../a', './a', 'a--b/c', '/a', 'a/', 'a b/c', '', '-a/b'].some(isHubId)).toBe(
    false,
  );
});
