/**
 * @file What generates beside the native engine: the same tokens from transformers and from vLLM, and the `openai` client
 * through our front. Deep, with `TUNERY_ORACLE_PYTHON` (transformers, PEFT) and `TUNERY_VLLM_PYTHON` (vLLM) set, and in part with
 * `TUNERY_TORCH=1`; what has no Python is skipped by name.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { tuneryCache } from '../../src/files/hub-cache.ts';
import { greedy, type Sampling } from '../../src/generate/sampling.ts';
import type { Session } from '../../src/generate/session.ts';
import { openModel } from '../../src/models/source.ts';
import { environment } from '../../src/native/environment.ts';
import { sessionEngineOf } from '../../src/runs/engines/engines.ts';
import { openRemote } from '../../src/runs/engines/remote-session.ts';
import { readPrompts } from '../golden/references.ts';
import { isAlive, makePlace, until } from './cli.ts';
import { descendantsOf } from './processes.ts';
import { deep, python, there, worker } from './torch-runs.ts';

vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });

const oracle = deep ? environment('TUNERY_ORACLE_PYTHON') : undefined;
const vllm = deep ? environment('TUNERY_VLLM_PYTHON') : undefined;

type Settings = Readonly<Record<string, string | number>>;
const settingsOf = (settings: Settings): string[] =>
  Object.entries(settings).map(([key, value]) => `${key}=${value}`);

async function open(settings: Settings): Promise<Session> {
  const { job } = loadConfig({ overrides: settingsOf(settings), command: 'chat' });
  return openRemote(sessionEngineOf(job.infer), { job, version: '0' });
}

type Said = { readonly ids: number[]; readonly logps: number[] };

async function say(
  session: Session,
  prompts: readonly (readonly number[])[],
  count: number,
  {
    sampling = greedy,
    stop_ids = [] as number[],
    ...more
  }: { sampling?: Sampling; stop_ids?: number[]; module?: string } = {},
): Promise<Said[]> {
  const logps = prompts.map((): number[] => []);
  const tokens = session.generate({
    prompts: prompts.map((ids, i) => ({ ids: Int32Array.from(ids), seed: 2 ** 33 + i })),
    ...{ sampling, stop_ids, max_new_tokens: count, logprobs: true, ...more },
  });
  for (;;) {
    const { done, value } = await tokens.next();
    if (done) return value.map(({ ids }, i) => ({ ids: [...ids], logps: logps[i] ?? [] }));
    logps[value.sequence]?.push(value.logp ?? NaN);
  }
}

function expectNear(found: readonly number[], wanted: readonly number[]): void {
  expect(found).toHaveLength(wanted.length);
  const worst = Math.max(...found.map((value, i) => Math.abs(value - (wanted[i] ?? NaN))));
  expect(worst).toBeLessThan(1e-3);
}

const torch = { infer_backend: 'torch', engine_python: python ?? '', use_cpu: 'true' };

describe.runIf(there)('transformers draws what the native engine draws', () => {
  const tiny: Settings = {
    model_name_or_path: 'random:llama?hidden_size=64&num_hidden_layers=2&vocab_size=300',
    threads: 1,
  };
  const prompts = [[1, 2, 3, 4, 5, 6, 7], [8], [9, 10, 11]];
  let ours: Session;
  let other: Session;
  beforeAll(async () => {
    [ours, other] = [await open(tiny), await open({ ...tiny, ...torch, max_num_seqs: 2 })];
  });
  afterAll(() => Promise.all([ours?.close(), other?.close()]));

  const free: Sampling = { ...greedy, temperature: 1 };
  test.each<[string, Sampling]>([
    ['the likeliest', greedy],
    ['at random', free],
    ['from the 5 likeliest', { ...free, top_k: 5 }],
    ['from half of the mass', { ...free, temperature: 0.7, top_p: 0.5 }],
    ['not the least likely, nor what was said', { ...free, min_p: 0.2, repetition_penalty: 1.3 }],
  ])('%s', async (_, sampling) => {
    const [a, b] = [
      await say(ours, prompts, 12, { sampling }),
      await say(other, prompts, 12, { sampling }),
    ];
    expect(b.map(({ ids }) => ids)).toEqual(a.map(({ ids }) => ids));
    for (const [i, { logps }] of b.entries()) expectNear(logps, a[i]?.logps ?? []);
  });

  test('up to a stop id, each of a batch by itself', async () => {
    const [first] = await say(ours, prompts, 12);
    const stop_ids = [first?.ids[4] ?? 0];
    const stopped = await say(other, prompts, 12, { stop_ids });
    expect(stopped).toMatchObject(
      (await say(ours, prompts, 12, { stop_ids })).map(({ ids }) => ({ ids })),
    );
    expect(stopped[0]?.ids.length).toBeLessThan(6);
  });

  test('log p of given tokens', async () => {
    const sequences = [
      { ids: Int32Array.of(1, 2, 3, 4), from: 1 },
      { ids: Int32Array.of(5, 6, 7), from: 2 },
    ];
    const [a, b] = [await ours.score({ sequences }), await other.score({ sequences })];
    for (const [i, logps] of b.entries()) expectNear([...logps], [...(a[i] ?? [])]);
  });

  test('calls that `max_num_seqs` does not take together wait for their turn, and none for ever', async () => {
    const calls = prompts.map((prompt) => say(other, [prompt, prompt], 6));
    const wanted = await say(ours, prompts, 6);
    for (const [i, said] of (await Promise.all(calls)).entries()) {
      expect(said.map(({ ids }) => ids)).toEqual([wanted[i]?.ids, wanted[i]?.ids]);
    }
  });

  test('a batch begins where the sequences of other calls leave room for it', () => {
    const script = `
from generate import Generating
def call(count):
    prompts = [{"ids": [1], "seed": 0, "most": 1}] * count
    return Generating({"prompts": prompts, "sampling": {}, "logprobs": False, "stop_ids": []})
print([call(5).begin(4, 0), call(3).begin(4, 1), call(3).begin(4, 2), call(9).begin(4, 1)])
five = call(5); five.begin(4, 0)
print([len(five.batch), len(five.waiting)])
`;
    const said = execFileSync(python ?? '', ['-c', script], {
      env: { ...process.env, PYTHONPATH: worker },
    });
    expect(String(said)).toBe('[True, True, False, False]\n[4, 1]\n');
  });

  test('a cancel is heard between two tokens; another call goes on', async () => {
    const controller = new AbortController();
    const long = other.generate(
      {
        prompts: [{ ids: Int32Array.of(1), seed: 0 }],
        ...{ sampling: greedy, stop_ids: [], max_new_tokens: 500 },
      },
      controller.signal,
    );
    await long.next();
    controller.abort();
    const [alone] = await say(other, [[8]], 5);
    expect(alone?.ids).toHaveLength(5);
    let end = await long.next();
    while (!end.done) end = await long.next();
    expect(end.value).toMatchObject([{ reason: 'cancelled' }]);
    expect(end.value[0]?.ids.length).toBeLessThan(100);
  });
});

describe.runIf(oracle || vllm)(
  '64 greedy tokens of a real model, of the base and of an adapter',
  () => {
    const prompts = readPrompts('base');
    const place = makePlace(tuneryCache(), 900_000);
    const asked = prompts.map(({ prompt_ids }) => prompt_ids);
    const base: Settings = {
      model_name_or_path: place.at('base'),
      infer_dtype: 'float32',
      threads: 1,
    };
    const adapted: Settings = { ...base, adapter_name_or_path: place.at('lora') };
    const backends: Readonly<Record<string, Settings>> = {
      ...(oracle && { torch }),
      ...(vllm && {
        vllm: { infer_backend: 'vllm', vllm_python: vllm, vllm_maxlen: 512, kv_cache_memory: 0.3 },
      }),
    };
    let wanted: number[][];

    const greedyOf = async (settings: Settings): Promise<number[][]> => {
      const session = await open(settings);
      try {
        return (await say(session, asked, 64, { stop_ids: [2] })).map(({ ids }) => ids);
      } finally {
        await session.close();
      }
    };

    beforeAll(async () => {
      const model = 'model_name_or_path=HuggingFaceTB/SmolLM2-135M-Instruct';
      const runs = [
        ['export', model, 'export_dir=base', 'infer_dtype=float32'],
        [
          ...[
            'train',
            model,
            'dataset=identity',
            'cutoff_len=256',
            'max_steps=6',
            'save_strategy=no',
          ],
          ...['learning_rate=0.001', 'lr_scheduler_type=constant', 'output_dir=lora'],
          `dataset_dir=${fileURLToPath(new URL('../../data', import.meta.url))}`,
        ],
      ];
      for (const args of runs) expect(await place.run(...args)).toMatchObject({ code: 0 });
      wanted = await greedyOf(adapted);
      expect(wanted).not.toEqual(prompts.map(({ greedy_ids }) => greedy_ids));
    });
    afterAll(() => place.remove());

    test.runIf(oracle)(
      'the native engine’s are those of transformers’ and PEFT’s own loop',
      async () => {
        writeFileSync(place.at('ours.json'), JSON.stringify(wanted.map((ids) => ({ ids }))));
        const script = fileURLToPath(new URL('../golden/check_merged.py', import.meta.url));
        const args = [script, place.at('base'), '--adapter', place.at('lora')];
        execFileSync(oracle ?? '', [...args, '--against', place.at('ours.json')], {
          env: { ...process.env, HF_HUB_OFFLINE: '1' },
        });
      },
    );

    test.each(Object.keys(backends))('%s: the base', async (name) => {
      const ids = await greedyOf({ ...base, ...backends[name] });
      expect(ids).toEqual(prompts.map(({ greedy_ids }) => greedy_ids));
    });

    test.runIf(vllm)('vllm: adapters by name beside the base, in one batch', async () => {
      const modules = { lora_modules: `mine=${place.at('lora')},twin=${place.at('lora')}` };
      const session = await open({ ...base, ...backends['vllm'], ...modules });
      try {
        const stop_ids = [2];
        const [plain, mine, twin] = await Promise.all([
          say(session, asked, 64, { stop_ids }),
          say(session, asked, 64, { stop_ids, module: 'mine' }),
          say(session, asked, 64, { stop_ids, module: 'twin' }),
        ]);
        expect(plain?.map(({ ids }) => ids)).toEqual(prompts.map(({ greedy_ids }) => greedy_ids));
        expect(mine?.map(({ ids }) => ids)).toEqual(wanted);
        expect(twin?.map(({ ids }) => ids)).toEqual(wanted);
        const other = say(session, asked, 1, { module: 'other' });
        await expect(other).rejects.toThrow(/no adapter `other`; it has mine, twin/);
      } finally {
        await session.close();
      }
    });

    test.each(Object.keys(backends))(
      '%s: the adapter, through our front, by the `openai` client; `kill -9` leaves nothing',
      async (name) => {
        const settings = settingsOf({
          ...adapted,
          ...backends[name],
          skip_special_tokens: 'false',
        });
        const api = place.start('api', 'api_port=0', '--json', ...settings);
        let url = '';
        createInterface({ input: api.process.stdout ?? process.stdin }).on('line', (line) => {
          url = (JSON.parse(line) as { url?: string }).url ?? url;
        });
        try {
          await until('it listens', () => url !== '' || !isAlive(api.pid), 600_000);
          const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
          const { data } = await client.models.list();
          const model = data[0]?.id ?? '';
          const [{ prompt }] = prompts;
          const tokenizer = (await openModel(place.at('base'))).tokenizer();
          // The token that ends it is among them.
          const text = tokenizer.decode(Int32Array.from(wanted[0] ?? []));
          const body = { model, temperature: 0, max_tokens: 64 };
          const messages = [{ role: 'user' as const, content: prompt }];
          const [chat, both] = await Promise.all([
            client.chat.completions.create({ ...body, messages }),
            client.completions.create({ ...body, prompt: asked.slice(0, 2) }),
          ]);
          expect(chat.choices[0]?.message.content).toBe(text);
          expect(both.choices[0]?.text).toBe(text);
          let streamed = '';
          const stream = await client.chat.completions.create({ ...body, messages, stream: true });
          for await (const { choices } of stream) streamed += choices[0]?.delta.content ?? '';
          expect(streamed).toBe(text);
          const all = descendantsOf(api.pid);
          expect(all.length).toBeGreaterThan(1);
          process.kill(api.pid, 'SIGKILL');
          await until('all are gone', () => all.every((pid) => !isAlive(pid)), 10_000);
        } finally {
          if (isAlive(api.pid)) process.kill(api.pid, 'SIGKILL');
        }
      },
    );
  },
);

describe('what cannot be', () => {
  const place = makePlace();
  afterAll(() => place.remove());
  const refused = async (error: RegExp, ...settings: string[]): Promise<void> => {
    const tiny = 'model_name_or_path=random:llama?hidden_size=64';
    const ended = await place.run('api', tiny, 'api_port=0', ...settings);
    // What the settings alone show is wrong is 2.
    expect(ended.code).toBe(error.source.startsWith('error') ? 1 : 2);
    expect(ended.err).toMatch(error);
    expect(ended.err).not.toMatch(/\n {4}at /);
  };
  const program = (text: string): string => {
    const path = join(place.folder, 'python');
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  };

  test('vLLM without a Python, or with one that has none', async () => {
    await refused(/error\[vllm\/no-environment\].*pip install vllm/s, 'infer_backend=vllm');
    await refused(
      /error\[torch\/no-python\]: `vllm_python` is/,
      'infer_backend=vllm',
      'vllm_python=/nowhere',
    );
    const lacks = program(
      `echo 'tunery: {"kind":"environment","rank":0,"message":"ModuleNotFoundError: No module named vllm"}' >&2; exit 1`,
    );
    await refused(
      /error\[vllm\/broken-environment\]: `.*python` cannot run vLLM: ModuleNotFoundError/,
      ...['infer_backend=vllm', `vllm_python=${lacks}`],
    );
  });

  test('vLLM with several adapters; a quantized base', async () => {
    const python = program('exit 1');
    await refused(
      /error\[vllm\/several-adapters\]/,
      ...['infer_backend=vllm', `vllm_python=${python}`, 'adapter_name_or_path=a,b'],
    );
    await refused(
      /`infer_backend: vllm` does not hold the model as `quantization_bit: 4` says/,
      ...['infer_backend=vllm', 'quantization_bit=4'],
    );
  });

  test('transformers without its environment', async () => {
    await refused(/error\[torch\/no-environment\]/, 'infer_backend=torch');
  });
});
