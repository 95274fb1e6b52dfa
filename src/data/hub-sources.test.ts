import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type FakeHub, type Repository, startHub } from '../../tests/fakes/hub.ts';
import { TuneryError } from '../core/errors.ts';
import { patience as usual } from '../files/hub-http.ts';
import type { DataHub } from './hub-datasets.ts';
import { listDatasets } from './list-datasets.ts';
import { toExample } from './raw-row.ts';
import { sourceRows } from './source-rows.ts';
import { findSources } from './sources.ts';
import type { Stage } from './stage.ts';
import type { Warning } from './warning.ts';

const lines = (...rows: readonly object[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const alpaca = (text: string) => ({ instruction: text, input: '', output: `${text}!` });
const chat = (text: string) => ({
  conversations: [
    { from: 'human', value: text },
    { from: 'gpt', value: `${text}!` },
  ],
});
const dataset = (
  id: string,
  files: Repository['files'],
  more: Partial<Repository> = {},
): Repository => ({
  kind: 'dataset',
  id,
  files,
  ...more,
});

const golden = (name: string): URL => new URL(`../../tests/golden/rows/${name}`, import.meta.url);

const repositories: readonly Repository[] = [
  dataset('llamafactory/alpaca_gpt4_zh', {
    'alpaca_gpt4_data_zh.json': JSON.stringify([alpaca('zh')]),
  }),
  dataset('BelleGroup/train_2M_CN', {
    'README.md': '# BELLE',
    'train_2M_CN.json': lines(alpaca('belle')),
  }),
  dataset('YeungNLP/firefly-train-1.1M', {
    'firefly-train-1.1M.jsonl': lines({ kind: 'NLI', input: 'firefly', target: 'firefly!' }),
  }),
  dataset('YeungNLP/moss-003-sft-data', {
    'moss-003-sft-data.jsonl': lines({
      conversation_id: 1,
      category: 'Brainstorming',
      conversation: [
        { human: 'moss', assistant: 'moss!' },
        { human: 'more', assistant: 'more!' },
      ],
      dataset: 'moss',
    }),
  }),
  dataset('llamafactory/DPO-En-Zh-20k', {
    'README.md':
      '---\nconfigs:\n- config_name: en\n  data_files:\n  - split: train\n    path: dpo_en.json\n- config_name: zh\n  data_files: dpo_zh.json\n---\n',
    'dpo_en.json': JSON.stringify([
      {
        conversations: [{ from: 'human', value: 'dpo' }],
        chosen: { from: 'gpt', value: 'dpo!' },
        rejected: { from: 'gpt', value: 'no' },
      },
    ]),
    'dpo_zh.json': '[]',
  }),
  dataset('HasturOfficial/adgen', {
    'train.jsonl': lines({ content: 'train', summary: 'train!' }),
    'dev.jsonl': lines({ content: 'dev', summary: 'dev!' }),
  }),
  dataset('llamafactory/glaive_toolcall_en', {
    'data.jsonl': lines({ ...chat('tools'), tools: '[]' }),
  }),
  dataset('bigcode/starcoderdata', {
    'python/train-00000-of-00001.jsonl': lines({ content: 'print()' }),
    'ada/train-00000-of-00001.jsonl': lines({ content: 'null;' }),
  }),
  dataset('org/mine', { 'a/train.jsonl': lines(chat('mine')), 'dataset_info.json': '{}' }),
  dataset('org/script', { 'script.py': '' }),
  dataset(
    'org/converted',
    { 'script.py': '' },
    {
      branches: {
        'refs/convert/parquet': {
          'default/train/0000.parquet': 'PAR1',
          'default/train/0001.parquet': 'PAR1+',
          'default/partial-test/0000.parquet': 'PAR1',
          'other/train/0000.parquet': 'PAR1',
        },
      },
    },
  ),
  dataset(
    'zai-org/AgentInstruct',
    { 'data/os-00000-of-00001.jsonl': lines(chat('agent')) },
    {
      formerId: 'THUDM/AgentInstruct',
      token: 'good',
    },
  ),
  dataset('org/infos', {
    'dataset_info.json': JSON.stringify({
      here: { file_name: 'rows.jsonl' },
      there: { hf_hub_url: 'org/mine', formatting: 'sharegpt' },
    }),
    'rows.jsonl': lines(alpaca('here')),
  }),
  dataset('org/tables', {
    'README.md':
      '---\nconfigs:\n- config_name: a\n  data_files: data/*.parquet\n- config_name: b\n  data_files: "*.arrow"\n---\n',
    'data/train-00000-of-00001.parquet': readFileSync(golden('snappy.parquet')),
    'rows.arrow': readFileSync(golden('stream.arrow')),
  }),
  dataset('org/both', { 'rows.jsonl': lines(alpaca('from modelscope')) }),
];

let folder: string;
let server: FakeHub;
let notes: string[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-sources-'));
  server = await startHub(repositories);
  notes = [];
  vi.stubEnv('HF_HUB_OFFLINE', '');
  vi.stubEnv('HF_ENDPOINT', server.url);
  vi.stubEnv('HF_HOME', join(folder, 'hf'));
  vi.stubEnv('TUNERY_CACHE', join(folder, 'own'));
  vi.stubEnv('MODELSCOPE_DOMAIN', server.url);
  vi.stubEnv('USE_MODELSCOPE_HUB', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  rmSync(folder, { recursive: true });
});

const hub = (): DataHub => ({
  patience: { ...usual, firstWaitMs: 1 },
  note: (text) => notes.push(text),
  announce: ({ repository, files }) => notes.push(`${repository.id}: ${files}`),
});
const find = (name: string, stage: Stage = 'sft', dir = folder) =>
  findSources([name], dir, stage, (warning: Warning) => notes.push(warning.message), hub());
/** What the first rows of a data set say. */
const said = async (name: string, stage: Stage = 'sft', dir = folder): Promise<string[]> => {
  const [source] = await find(name, stage, dir);
  return [...sourceRows([source!], 0)]
    .map((row) => toExample(row, [source!]))
    .flatMap(({ messages, chosen, rejected }) =>
      [...messages, ...(chosen ? [chosen] : []), ...(rejected ? [rejected] : [])].map(
        ({ content }) => content,
      ),
    );
};
const failure = async (name: string, stage: Stage = 'sft', dir = folder): Promise<TuneryError> => {
  const error = await find(name, stage, dir).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof TuneryError) return error;
  throw new Error(`no error of ours: ${error}`);
};
const write = (name: string, value: unknown): void => {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
};

describe('data sets known by name', () => {
  test.each([
    ['alpaca_gpt4_zh', 'sft', ['zh', 'zh!']],
    ['belle_2m_cn', 'sft', ['belle', 'belle!']],
    ['firefly_train_1.1m', 'sft', ['firefly', 'firefly!']],
    ['moss_003_sft_data', 'sft', ['moss', 'moss!', 'more', 'more!']],
    ['dpo_mix_en', 'dpo', ['dpo', 'dpo!', 'no']],
    ['adgen_train', 'sft', ['train', 'train!']],
    ['adgen_eval', 'sft', ['dev', 'dev!']],
    ['glaive_toolcall_en', 'sft', ['tools', 'tools!']],
    ['starcoder_python', 'pt', ['print()']],
  ] as const)('%s', async (name, stage, expected) => {
    expect(await said(name, stage)).toEqual(expected);
    // Only its own rows were fetched, and they lie in the cache now.
    const count = server.asked.length;
    expect(await said(name, stage)).toEqual(expected);
    expect(server.asked.length).toBe(count);
    expect(notes).toHaveLength(1);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect(await said(name, stage)).toEqual(expected);
  });

  test('the user’s own dataset_info.json, and a file of that name, come first', async () => {
    write('dataset_info.json', { alpaca_gpt4_zh: { file_name: 'own.json' } });
    write('own.json', [alpaca('own')]);
    expect(await said('alpaca_gpt4_zh')).toEqual(['own', 'own!']);
    expect(server.asked).toEqual([]);
  });

  test('benchmarks, and what cannot be read, say why', async () => {
    expect((await failure('c_eval')).message).toContain('is a benchmark');
    expect((await failure('pile', 'pt')).message).toContain('.jsonl.zst');
    expect((await failure('alpaca_gpt4_zhh')).message).toContain('did you mean `alpaca_gpt4_zh`?');
  });
});

test('a hub id is a data set, its format seen from its first row', async () => {
  expect(await said('org/mine')).toEqual(['mine', 'mine!']);
  expect(await said('org/mine', 'sft', 'ONLINE')).toEqual(['mine', 'mine!']);
  expect(await failure('org/none')).toMatchObject({ code: 'files/hub-not-found' });
});

test('subset, split, folder and num_samples of an entry', async () => {
  write('dataset_info.json', {
    dpo: {
      hf_hub_url: 'llamafactory/DPO-En-Zh-20k',
      subset: 'fr',
      ranking: true,
      formatting: 'sharegpt',
    },
    split: { hf_hub_url: 'HasturOfficial/adgen', split: 'valid' },
    ada: {
      hf_hub_url: 'bigcode/starcoderdata',
      folder: 'ada',
      columns: { prompt: 'content' },
      num_samples: 1,
    },
    cloud: { cloud_file_name: 's3://bucket/rows.json' },
    script: { script_url: 'folder' },
    mind: { om_hub_url: 'org/mind' },
  });
  const subset = await failure('dpo', 'dpo');
  expect(subset.message).toContain('no subset `fr`');
  expect(subset.help).toContain('`en`, `zh`');
  expect((await failure('split')).help).toContain('`train`, `validation`');
  expect(await said('ada', 'pt')).toEqual(['null;']);
  expect((await failure('cloud')).message).toContain('object stores (s3://, gs://) are not read');
  expect((await failure('script')).message).toContain('a loading script is Python');
  expect(await failure('mind')).toMatchObject({ code: 'data/hub-not-served' });
});

test('dataset_dir: REMOTE names a repository with a dataset_info.json', async () => {
  expect(await said('here', 'sft', 'REMOTE:org/infos')).toEqual(['here', 'here!']);
  expect(await said('there', 'sft', 'REMOTE:org/infos')).toEqual(['mine', 'mine!']);
  expect((await failure('ther', 'sft', 'REMOTE:org/infos')).message).toContain(
    'did you mean `there`',
  );
});

test('ModelScope serves where it is asked for, or alone has the data set', async () => {
  write('dataset_info.json', {
    both: { hf_hub_url: 'org/mine', ms_hub_url: 'org/both', formatting: 'alpaca' },
    alone: { ms_hub_url: 'org/both' },
  });
  expect(await said('alone')).toEqual(['from modelscope', 'from modelscope!']);
  expect(server.asked.every(({ path }) => path.startsWith('/api/v1/datasets/org/both/repo'))).toBe(
    true,
  );
  vi.stubEnv('USE_MODELSCOPE_HUB', '1');
  expect(await said('both')).toEqual(['from modelscope', 'from modelscope!']);
});

test('rows that the hub converted serve where the data set itself has none', async () => {
  const entry = { hf_hub_url: 'org/converted', formatting: 'sharegpt' };
  write('dataset_info.json', {
    plain: entry,
    other: { ...entry, subset: 'other' },
    part: { ...entry, split: 'test' },
    none: { ...entry, subset: 'third' },
  });
  const names = async (name: string) =>
    (await find(name))[0]!.files.map((path) => path.split('/').slice(-3).join('/'));
  expect(await names('plain')).toEqual([
    'default/train/0000.parquet',
    'default/train/0001.parquet',
  ]);
  expect(await names('other')).toEqual(['other/train/0000.parquet']);
  expect(await names('part')).toEqual(['default/partial-test/0000.parquet']);
  expect(notes.at(-1)).toContain('only the first rows of org/converted');
  expect((await failure('none')).help).toContain('`default`, `other`');
});

test('tables in Parquet and Arrow', async () => {
  const entry = (subset: string) => ({
    hf_hub_url: 'org/tables',
    subset,
    columns: { prompt: 'instruction' },
  });
  write('dataset_info.json', { parquet: entry('a'), arrow: entry('b') });
  const [parquet, arrow] = [await said('parquet', 'pt'), await said('arrow', 'pt')];
  expect(parquet[0]).toContain('row 0');
  expect(parquet.length).toBeGreaterThan(10);
  expect(arrow[0]).toContain('row 0');
});

test('an id that moved is followed, with the token', async () => {
  vi.stubEnv('HF_TOKEN', 'good');
  write('dataset_info.json', {
    moved: { hf_hub_url: 'THUDM/AgentInstruct', formatting: 'sharegpt', split: 'os' },
  });
  expect(await said('moved')).toEqual(['agent', 'agent!']);
});

test('a data set that only a script makes is said to be one', async () => {
  const error = await failure('org/script');
  expect(error).toMatchObject({ code: 'data/hub-no-files' });
  expect(error.help).toContain('only a script can make');
});

test('the list says which names are whose, and what lies here', async () => {
  write('dataset_info.json', {
    here: { file_name: 'own.json' },
    gone: { file_name: 'gone.json' },
    wrong: { file_name: 'own.json', formatting: 'sharegtp' },
    belle_2m: { hf_hub_url: 'org/mine', formatting: 'sharegpt' },
  });
  write('own.json', [alpaca('own')]);
  await said('belle_2m');
  const list = listDatasets(folder, ({ message }) => notes.push(message));
  const state = (name: string) =>
    list.filter((each) => each.name === name).map((each) => [each.state, each.bytes, each.source]);
  expect(state('here')).toEqual([['here', 50, join(folder, 'own.json')]]);
  expect(state('gone')).toEqual([['missing', null, join(folder, 'gone.json')]]);
  expect(state('belle_2m')).toEqual([['cached', 83, 'org/mine']]);
  expect(state('belle_1m')).toEqual([['not fetched', null, 'BelleGroup/train_1M_CN']]);
  expect(state('wrong')).toEqual([]);
  expect(notes.at(-1)).toContain('did you mean `sharegpt`?');
});
