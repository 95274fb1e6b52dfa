// The real program against a hub on this machine: a model and its data by their ids, from nothing to an adapter.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type FakeHub, type Repository, startHub } from '../fakes/hub.ts';
import { makePlace, type Place, until } from './cli.ts';
import { writeModelFolder } from './model-folder.ts';

const repositories: Repository[] = [];
let place: Place;
let hub: FakeHub;
const token = 'hf_a_word_that_nobody_may_see';
const rows = Array.from({ length: 4 }, (_, i) => ({
  instruction: `ask ${i}`,
  input: '',
  output: `answer ${i}`,
}));

beforeAll(async () => {
  place = makePlace();
  const folder = place.at('model');
  await writeModelFolder(folder, 'random:llama?hidden_size=64&num_hidden_layers=1&vocab_size=259');
  const files = Object.fromEntries(
    readdirSync(folder).map((file) => [file, readFileSync(join(folder, file))]),
  );
  repositories.push(
    { kind: 'model', id: 'org/tiny', files: { ...files, 'pytorch_model.bin': 'twice' }, token },
    {
      kind: 'dataset',
      id: 'org/rows',
      files: {
        'data/train-00000-of-00001.jsonl': rows.map((row) => JSON.stringify(row)).join('\n'),
      },
      token,
    },
    {
      kind: 'dataset',
      id: 'BelleGroup/train_2M_CN',
      files: { 'train_2M_CN.json': JSON.stringify(rows) },
    },
    { kind: 'model', id: 'org/slow', files },
    { kind: 'model', id: 'org/gated', files, gated: true, token },
  );
  hub = await startHub(repositories);
  vi.stubEnv('HF_HUB_OFFLINE', '');
  vi.stubEnv('HF_TOKEN', '');
  vi.stubEnv('HF_TOKEN_PATH', place.at('no-token'));
  vi.stubEnv('HF_ENDPOINT', hub.url);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  place.remove();
});
afterEach(() => {
  hub.faults.cutAfter = [];
});

const host = (): string => new URL(hub.url).host;

test('a training by ids: fetched once, through a cut, with a token that is nowhere to be seen', async () => {
  hub.faults.cutAfter = [100, 100];
  const train = (...more: string[]) =>
    place.run(
      ...[
        'train',
        'model_name_or_path=org/tiny',
        'dataset=org/rows',
        'max_steps=2',
        'lora_target=all',
      ],
      ...['per_device_train_batch_size=2', 'gradient_accumulation_steps=1', ...more],
    );
  const first = await train('output_dir=saves/one', `hf_hub_token=${token}`);
  expect(first.err).toContain(`fetching model org/tiny: 5 files`);
  expect(first.err).toContain(`fetching data set org/rows: 1 file, `);
  expect(first.err).toContain(`from ${host()}`);
  expect(first.code).toBe(0);
  expect(first.out).toContain('model   org/tiny');
  expect(first.out).toContain('4 rows');
  expect(hub.asked.some(({ path }) => path.includes('pytorch_model.bin'))).toBe(false);
  expect(hub.asked.some(({ range }) => range !== undefined)).toBe(true);

  const kept = readdirSync(place.folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  expect(kept.some((text) => text.includes(token))).toBe(false);
  expect(first.out + first.err).not.toContain(token);

  const count = hub.asked.length;
  const second = await train('output_dir=saves/two');
  expect(second.code).toBe(0);
  expect(second.err).not.toContain('fetching');
  expect(hub.asked.length).toBe(count);
});

test('an adapter by its id', async () => {
  const file = (name: string) => readFileSync(place.at('saves/one', name));
  const names = ['adapter_config.json', 'adapter_model.safetensors'];
  repositories.push({
    kind: 'model',
    id: 'org/adapter',
    files: { ...Object.fromEntries(names.map((name) => [name, file(name)])), 'README.md': '# x' },
  });
  const shown = await place.run(
    ...['export', 'model_name_or_path=org/tiny', 'adapter_name_or_path=org/adapter'],
    'export_dir=merged',
  );
  expect(shown.err).toContain('fetching model org/adapter: 2 files, ');
  expect(shown.code).toBe(0);
  const none = await place.run(
    'chat',
    'model_name_or_path=org/tiny',
    'adapter_name_or_path=org/rows',
  );
  expect(none.err).toContain('has no model `org/rows`');
});

test('Ctrl+C while it fetches ends in good order, and the next command goes on there', async () => {
  hub.faults.pieceMs = 50;
  const fetching = place.start('chat', 'model_name_or_path=org/slow');
  const blobs = join(place.cache, 'hub/models--org--slow/blobs');
  await until(
    'something was fetched',
    () => existsSync(blobs) && readdirSync(blobs).some((name) => name.endsWith('.incomplete')),
  );
  fetching.process.kill('SIGINT');
  const { code, err } = await fetching.ended;
  hub.faults.pieceMs = 0;
  expect(err).not.toContain('error[bug]');
  expect(code).toBe(130);
  expect((await place.run('export', 'model_name_or_path=org/slow', 'export_dir=slow')).code).toBe(
    0,
  );
});

test('the article’s names, and what a list says of them', async () => {
  const tokens = ['data', 'tokens', 'model_name_or_path=random:llama', 'dataset=belle_2m_cn'];
  const shown = await place.run(...tokens);
  expect(shown.err).toContain(`fetching data set BelleGroup/train_2M_CN: 1 file, `);
  expect(shown.out).toContain('answer'.slice(0, 1));
  const list = await place.run('data', 'list', '--json');
  const found = list.out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  expect(found.find(({ name }) => name === 'belle_2m_cn')).toMatchObject({
    source: 'BelleGroup/train_2M_CN',
    state: 'cached',
  });
  expect(found.find(({ name }) => name === 'alpaca_zh')).toMatchObject({
    state: 'not fetched',
    bytes: null,
  });
});

test('what cannot be had is one paragraph', async () => {
  const gated = await place.run('train', 'model_name_or_path=org/gated', 'dataset=org/rows');
  expect(gated.code).toBe(1);
  expect(gated.err).toBe(
    `error[files/hub-gated]: the model \`org/gated\` is given to those only who accepted its terms, and no token says who asks\n` +
      `  help: accept the terms at ${hub.url}/org/gated, then set \`HF_TOKEN\` (or \`hf_hub_token\`) to a token of that account\n`,
  );
  const none = await place.run('train', 'model_name_or_path=org/tyni', 'dataset=org/rows');
  expect(none.err).toContain(
    'error[models/not-found]: no model `org/tyni` (did you mean `org/tiny`?)',
  );
  expect(none.err).toContain(`${host()} has no model \`org/tyni\`, or it is private`);
  const data = await place.run('train', 'model_name_or_path=random:llama', 'dataset=org/row');
  expect(data.err).toContain(`error[files/hub-not-found]: ${host()} has no data set \`org/row\``);
  expect([gated, none, data].every(({ err }) => !err.includes('    at '))).toBe(true);
});
