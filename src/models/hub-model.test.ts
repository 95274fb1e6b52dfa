import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type FakeHub, type Repository, startHub } from '../../tests/fakes/hub.ts';
import { TuneryError } from '../core/errors.ts';
import { modelFiles } from './hub-model.ts';
import { type OpenOptions, openModel } from './source.ts';

const golden = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../../tests/golden/files/${name}`, import.meta.url)));
const files = {
  'config.json': '{"model_type": "llama", "rms_norm_eps": 1e-5}',
  'model.safetensors': golden('tiny-llama.safetensors'),
  'pytorch_model.bin': 'the same once more',
  'onnx/model.onnx': 'and once more',
  'tokenizer.json': '{}',
  'chat_template.jinja': 'own',
};
const repositories: readonly Repository[] = [
  { kind: 'model', id: 'org/tiny', files },
  {
    kind: 'model',
    id: 'org/quantized',
    files: { 'a.gguf': golden('tiny-llama.gguf'), 'b/c.gguf': golden('tiny-qwen2.gguf') },
  },
];

let cache: string;
let hub: FakeHub;
beforeEach(async () => {
  cache = mkdtempSync(join(tmpdir(), 'tunery-hub-'));
  hub = await startHub(repositories);
  vi.stubEnv('HF_HUB_OFFLINE', '');
  vi.stubEnv('HF_ENDPOINT', hub.url);
  vi.stubEnv('HF_HOME', cache);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  rmSync(cache, { recursive: true });
});

const open = (name: string, more: OpenOptions = {}) =>
  openModel(name, { hubCache: cache, ...more });
const asked = (): string[] =>
  hub
    .contents()
    .filter(({ host }) => host === 'hub')
    .map(({ path }) => path.split('/').slice(5).join('/'));

test('a model is fetched by its id, in one form of its weights', async () => {
  const announced: unknown[] = [];
  const model = await open('org/tiny', { announce: (plan) => announced.push(plan) });
  expect(model).toMatchObject({
    kind: 'hub',
    name: 'org/tiny',
    chatTemplate: 'own',
    note: undefined,
  });
  expect(announced).toHaveLength(1);
  expect(asked().sort()).toEqual([
    'chat_template.jinja',
    'config.json',
    'model.safetensors',
    'tokenizer.json',
  ]);
  const count = hub.asked.length;
  expect((await open('org/tiny')).digest).toBe(model.digest);
  expect(hub.asked.length).toBe(count);
});

test('one of several GGUF files is named by its path', async () => {
  expect((await open('org/quantized/b/c.gguf')).config).toMatchObject({ model_type: 'qwen2' });
  const error = await open('org/quantized').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(TuneryError);
  expect(error).toMatchObject({ help: 'name one, as `org/quantized/a.gguf`: a.gguf, b/c.gguf' });
  await expect(open('org/quantized/b/d.gguf')).rejects.toThrow('did you mean `b/c.gguf`');
});

test('what Python left half fetched is completed', async () => {
  const [commit, blob] = ['c'.repeat(40), join(cache, 'blob')];
  const root = join(cache, 'models--org--tiny');
  mkdirSync(join(root, 'snapshots', commit), { recursive: true });
  mkdirSync(join(root, 'refs'));
  writeFileSync(join(root, 'refs/main'), commit);
  writeFileSync(blob, files['config.json']);
  symlinkSync(blob, join(root, 'snapshots', commit, 'config.json'));
  expect((await open('org/tiny')).weights.names()).toContain('model.norm.weight');
  expect(readFileSync(join(root, 'refs/main'), 'utf8')).not.toBe(commit);
});

const choose = (...paths: string[]): string[] =>
  modelFiles(
    'org/x',
    paths.map((path) => ({ path, size: 1, sum: undefined })),
  );

test('ModelScope serves where USE_MODELSCOPE_HUB asks for it', async () => {
  vi.stubEnv('USE_MODELSCOPE_HUB', '1');
  vi.stubEnv('MODELSCOPE_DOMAIN', hub.url);
  vi.stubEnv('TUNERY_CACHE', join(cache, 'own'));
  const { path, chatTemplate } = await open('org/tiny');
  expect(path.startsWith(join(cache, 'own/modelscope/models--org--tiny/snapshots'))).toBe(true);
  expect(chatTemplate).toBe('own');
  expect(hub.asked.every((each) => each.path.startsWith('/api/v1/models/org/tiny/repo'))).toBe(
    true,
  );
  const count = hub.asked.length;
  await open('org/tiny');
  expect(hub.asked.length).toBe(count);
});

test('which files are a model', () => {
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  const index = 'model.safetensors.index.json';
  expect(
    choose('config.json', 'consolidated.safetensors', index, ...shards, 'tf_model.h5'),
  ).toEqual(['config.json', index, ...shards]);
  expect(choose('config.json', 'weights.safetensors')).toEqual([
    'config.json',
    'weights.safetensors',
  ]);
  expect(choose('README.md', 'x.Q4_1.gguf')).toEqual(['x.Q4_1.gguf']);
  expect(() => choose('config.json', 'pytorch_model.bin')).toThrow(
    /its weights are in pytorch_model.bin only/,
  );
  expect(() => choose('adapter_config.json', 'adapter_model.safetensors')).toThrow(
    /it is an adapter/,
  );
  expect(() => choose('README.md')).toThrow(/no config\.json with SafeTensors/);
});
