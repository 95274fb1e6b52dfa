/**
 * What a sequence gives depends on its ids, its seed and the model alone: bit for bit the same log-probabilities alone
 * and in company, with what was remembered and without, however its prompt is cut and on any number of threads.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Memory } from '../../src/engine/memory.ts';
import { Cache } from '../../src/engine/nn/index.ts';
import { within } from '../../src/engine/session.ts';
import { BlockTable } from '../../src/generate/blocks.ts';
import { DecodePlans } from '../../src/generate/decode-plan.ts';
import { forward, type Loaded, logitsOf } from '../../src/generate/forward.ts';
import { type GeneratorOptions, openGenerator } from '../../src/generate/generator.ts';
import { greedy } from '../../src/generate/sampling.ts';
import type { GenerateRequest, Session } from '../../src/generate/session.ts';
import type { Quantization } from '../../src/models/hold.ts';
import { loadModel } from '../../src/models/load.ts';
import { openModel } from '../../src/models/source.ts';
import { setThreads, threads } from '../../src/native/machine.ts';
import { attachAdapters } from '../../src/tuning/attach-adapters.ts';
import { writeSeededAdapter } from './seeded-adapter.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-bits-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Form = {
  readonly model: string;
  readonly dtype?: 'f32' | 'bf16';
  readonly adapter?: boolean;
  readonly cacheDtype?: 'bf16';
  readonly quantization?: Quantization;
};

const llama = 'random:llama?hidden_size=64&intermediate_size=96&seed=1';
const forms: Readonly<Record<string, Form>> = {
  'llama in f32': { model: llama },
  'llama in bf16': { model: llama, dtype: 'bf16' },
  'llama with a bf16 cache': { model: llama, cacheDtype: 'bf16' },
  'llama with an adapter': { model: llama, adapter: true },
  'qwen2 with an adapter in bf16': { model: 'random:qwen2?seed=2', dtype: 'bf16', adapter: true },
  'llama in NF4 with an adapter': {
    ...{ model: llama, adapter: true },
    quantization: { to: 'NF4', nested: true },
  },
  'llama in whole numbers': { model: llama, quantization: { to: 'INT8', integer: true } },
  falcon: { model: 'random:falcon?seed=3' },
};

async function load({ model: name, dtype = 'f32', adapter, quantization }: Form): Promise<Loaded> {
  const memory = new Memory();
  const source = await openModel(name);
  const { model } = await loadModel(source, { memory, dtype, quantization: quantization ?? null });
  if (adapter) {
    const written = await writeSeededAdapter(source, join(folder, source.name.replace(/\W/g, '-')));
    attachAdapters(model, [written], { memory, modelName: name });
  }
  return { model, memory };
}

const prompt = (length: number, seed = 0): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * 37 + seed * 11 + 5) % 256);

/** Ids and log-probabilities of one sequence. */
type Said = { readonly ids: number[]; readonly logp: number[] };

async function say(
  session: Session,
  prompts: GenerateRequest['prompts'],
  changes: Partial<GenerateRequest> = {},
): Promise<Said[]> {
  const said = prompts.map((): Said => ({ ids: [], logp: [] }));
  const sampling = { ...greedy, temperature: 1 };
  const request = { prompts, sampling, max_new_tokens: 12, stop_ids: [], logprobs: true };
  for await (const { sequence, id, logp } of session.generate({ ...request, ...changes })) {
    said[sequence].ids.push(id);
    said[sequence].logp.push(logp ?? Number.NaN);
  }
  return said;
}

describe.each(Object.entries(forms))('%s', (_, form) => {
  let loaded: Loaded;
  beforeAll(async () => {
    loaded = await load(form);
  });

  const open = (changes: Partial<GeneratorOptions> = {}): Session => {
    const about = { model: 'tiny', adapters: [], dtype: 'f32' as const, context_length: 1024 };
    const { cacheDtype } = form;
    return openGenerator(loaded, about, {
      cacheBytes: 40e6,
      sequences: 16,
      cacheDtype,
      ...changes,
    });
  };
  const asked = [3, 41, 1, 230, 70, 70, 17, 150, 33, 64].map((length, i) => ({
    ids: prompt(length, i),
    seed: 100 + i,
  }));
  const alone = async (options?: Partial<GeneratorOptions>): Promise<Said[]> => {
    const all: Said[] = [];
    for (const each of asked) {
      const session = open(options);
      all.push(...(await say(session, [each])));
      await session.close();
    }
    return all;
  };

  test('alone and in company, of any size', async () => {
    const expected = await alone();
    expect(new Set(expected.map(({ ids }) => ids.join())).size).toBe(asked.length);
    expect(await say(open(), asked)).toEqual(expected);
    expect(await say(open({ sequences: 3 }), asked)).toEqual(expected);
    // Calls that come while others are under way.
    const session = open();
    const calls: Promise<Said[]>[] = [];
    for (const each of asked) {
      calls.push(say(session, [each]));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect((await Promise.all(calls)).flat()).toEqual(expected);
  });

  test('with what was read before, and without', async () => {
    const expected = await alone();
    const session = open();
    await say(session, asked, { max_new_tokens: 3 });
    await say(session, [{ ids: prompt(500, 3), seed: 1 }]);
    expect(await say(session, asked)).toEqual(expected);
    // Beginnings of what is known, of every length around a block's.
    for (const length of [31, 32, 33, 63, 64, 65]) {
      const each = { ids: Int32Array.from([...prompt(length, 3), 7, 8, 9]), seed: 5 };
      expect(await say(session, [each])).toEqual(await say(open(), [each]));
    }
  });

  test('however a prompt is cut into passes', async () => {
    const expected = await alone();
    for (const passTokens of [1, 7, 40, 100]) {
      expect(await say(open({ passTokens }), asked)).toEqual(expected);
    }
  });

  test('scores, too', async () => {
    const sequences = asked.slice(3).map(({ ids }) => ({ ids, from: 5 }));
    const expected = [];
    for (const each of sequences) expected.push(...(await open().score({ sequences: [each] })));
    expect(await open().score({ sequences })).toEqual(expected);
    const session = open({ passTokens: 50 });
    await say(session, asked, { max_new_tokens: 2 });
    expect(await session.score({ sequences })).toEqual(expected);
  });

  test('on any number of threads', async () => {
    const before = threads();
    try {
      const results = [];
      for (const count of [1, 2, 5]) {
        setThreads(count);
        results.push(await say(open(), asked));
      }
      expect(results[1]).toEqual(results[0]);
      expect(results[2]).toEqual(results[0]);
    } finally {
      setThreads(before);
    }
  });

  test('a recorded pass gives what the model gives', () => {
    const cache = new Cache(loaded.memory, 1024, form.cacheDtype);
    const tables = [0, 1, 2].map((n) => {
      const table = new BlockTable({ size: 32 });
      table.blocks.push(2 * n + 9, n);
      return table;
    });
    const started = tables.map((table, n) => ({ ids: prompt(20 + 5 * n, n), at: 0, table }));
    forward(loaded, cache, started, () => undefined);
    const plans = new DecodePlans(loaded, cache, 32);
    for (let step = 0; step < 12; step++) {
      const pieces = started.slice(0, step < 4 ? 3 : step < 8 ? 1 : 2).map(({ ids, table }, n) => ({
        ids: Int32Array.of((step * 31 + n) % 256),
        at: ids.length + step,
        table,
      }));
      // The recording first: it must put the keys and values in their places itself.
      const logits = plans.run(pieces).slice();
      const again = within({ decoding: true }, () =>
        forward(loaded, cache, pieces, (hidden) => logitsOf(loaded, hidden).read()),
      );
      expect(again).toEqual(logits);
    }
    cache.release();
  });
});
