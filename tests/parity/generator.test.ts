/** Sessions over a tiny model: with a cache, together, again and cut short, they give what reading all anew gives. */
import { beforeAll, describe, expect, test } from 'vitest';
import { Memory } from '../../src/engine/memory.ts';
import { documentsContext } from '../../src/engine/nn/index.ts';
import { within } from '../../src/engine/session.ts';
import { type Loaded, logitsOf } from '../../src/generate/forward.ts';
import {
  type GeneratorOptions,
  openGenerator,
  defaultPassTokens as passTokens,
} from '../../src/generate/generator.ts';
import { chooseToken, greedy, type Sampling } from '../../src/generate/sampling.ts';
import type { About, Generated, GenerateRequest, Session } from '../../src/generate/session.ts';
import { loadModel } from '../../src/models/load.ts';
import { openModel } from '../../src/models/source.ts';

let loaded: Loaded;
const about: About = { model: 'tiny', adapters: [], dtype: 'f32', context_length: 2048 };
const open = (changes: Partial<About & GeneratorOptions> = {}): Session => {
  const options = { cacheBytes: 20e6, sequences: 8, ...changes };
  return openGenerator(loaded, { ...about, ...changes }, options);
};

beforeAll(async () => {
  const memory = new Memory();
  const source = await openModel('random:llama?hidden_size=64&intermediate_size=96&seed=1');
  const { model } = await loadModel(source, { memory, dtype: 'f32' });
  loaded = { model, memory };
});

const prompt = (length: number, seed = 0): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * 37 + seed * 11 + 5) % 256);

/** Nearly uniform logits: any fault in them changes what is drawn. */
const free: Sampling = { ...greedy, temperature: 1 };

const requestOf = (
  prompts: readonly Int32Array[],
  changes: Partial<GenerateRequest> = {},
): GenerateRequest => ({
  prompts: prompts.map((ids, i) => ({ ids, seed: 100 + i })),
  sampling: free,
  max_new_tokens: 24,
  stop_ids: [],
  ...changes,
});

async function all(
  session: Session,
  request: GenerateRequest,
  signal?: AbortSignal,
): Promise<readonly Generated[]> {
  const tokens = session.generate(request, signal);
  for (;;) {
    const { done, value } = await tokens.next();
    if (done) return value;
  }
}

/** Keys and values of one token: two layers, two key heads of 16. */
const tokenBytes = 2 * 2 * 2 * 16 * 4;

const idsOf = (results: readonly Generated[]): number[][] => results.map(({ ids }) => [...ids]);

/** Without a cache: the whole text again for every token. */
function uncached(ids: Int32Array, count: number, seed: number, sampling = free): number[] {
  const { memory, model } = loaded;
  const text = [...ids];
  for (let i = 0; i < count; i++) {
    const id = within({ memory, tape: null, randomness: null }, () =>
      memory.scope(() => {
        const hidden = model.decoder(
          { ids: Int32Array.from(text) },
          documentsContext([text.length]),
        );
        const logits = logitsOf(loaded, hidden);
        const V = logits.width;
        const last = logits.data.subarray((text.length - 1) * V);
        return chooseToken(last, Int32Array.from(text), sampling, seed);
      }),
    );
    text.push(id);
  }
  return text.slice(ids.length);
}

describe('generating', () => {
  test('with the cache gives what reading all again gives', async () => {
    const ids = prompt(40);
    const [ours] = await all(open(), requestOf([ids]));
    expect([...ours.ids]).toEqual(uncached(ids, 24, 100));
    expect(ours.reason).toBe('length');
    const penal = { ...free, repetition_penalty: 3 };
    const [other] = await all(open(), requestOf([ids], { sampling: penal }));
    expect([...other.ids]).toEqual(uncached(ids, 24, 100, penal));
    expect(other.ids).not.toEqual(ours.ids);
  });

  test('a prompt longer than a pass, and a reply that outgrows the cache', async () => {
    const ids = prompt(passTokens + 130);
    const request = requestOf([ids], { max_new_tokens: 700 });
    const [ours] = await all(open(), request);
    expect(ours.ids.length).toBe(700);
    // Its tail is what the whole text gives.
    const before = Int32Array.from([...ids, ...ours.ids.slice(0, 690)]);
    expect([...ours.ids.slice(690)]).toEqual(uncached(before, 10, 100));
  });

  test('together gives what each alone gives, whatever the lengths', async () => {
    const prompts = [prompt(30, 1), prompt(3, 2), prompt(1, 3), prompt(passTokens + 40, 4)];
    const together = await all(open(), requestOf(prompts));
    const alone = [];
    for (const [i, ids] of prompts.entries()) {
      const request = { ...requestOf([ids]), prompts: [{ ids, seed: 100 + i }] };
      alone.push(...(await all(open(), request)));
    }
    expect(idsOf(together)).toEqual(idsOf(alone));
  });

  test('the seed alone decides what is drawn', async () => {
    const session = open();
    const request = requestOf([prompt(20)]);
    const [first] = await all(session, request);
    const [again] = await all(session, request);
    const [other] = await all(session, {
      ...request,
      prompts: [{ ids: prompt(20), seed: 7 }],
    });
    const [likeliest] = await all(session, { ...request, sampling: greedy });
    expect(again.ids).toEqual(first.ids);
    expect(other.ids).not.toEqual(first.ids);
    expect([...likeliest.ids]).toEqual(uncached(prompt(20), 24, 0, greedy));
  });

  test('ends at any stop id, each sequence by itself', async () => {
    const prompts = [prompt(10, 1), prompt(10, 2)];
    const [a, b] = await all(open(), requestOf(prompts));
    const stop = [a.ids[4], b.ids[9]];
    const request = requestOf(prompts, { stop_ids: stop });
    const stopped = await all(open(), request);
    for (const [n, full] of [a, b].entries()) {
      const end = full.ids.findIndex((id) => stop.includes(id));
      expect([...stopped[n].ids]).toEqual([...full.ids.slice(0, end + 1)]);
      expect(stopped[n].reason).toBe('stop');
    }
  });

  test('ends where the context is full, and refuses a prompt that leaves no room', async () => {
    const session = open({ context_length: 32 });
    const [ours] = await all(session, requestOf([prompt(30)]));
    expect([ours.ids.length, ours.reason]).toEqual([2, 'length']);
    await expect(all(session, requestOf([prompt(32)]))).rejects.toThrow(/32 tokens.*holds 32/);
    await expect(all(session, requestOf([new Int32Array(0)]))).rejects.toThrow(/no tokens/);
    await expect(all(session, requestOf([Int32Array.of(5000)]))).rejects.toThrow(/token 5000/);
  });

  test('what a prompt shares with one before is not read again', async () => {
    const session = open();
    const first = prompt(50);
    const [reply] = await all(session, requestOf([first]));
    expect(reply.reused).toBe(0);
    const second = Int32Array.from([...first, ...reply.ids, ...prompt(9, 3)]);
    const [next] = await all(session, requestOf([second]));
    // A reply is read as part of the next prompt: what its tokens left in the cache came about in another way.
    expect(next.reused).toBe(50);
    expect([...next.ids]).toEqual(uncached(second, 24, 100));
    const parted = Int32Array.from([...first.slice(0, 20), ...prompt(9, 4)]);
    const [third] = await all(session, requestOf([parted]));
    expect(third.reused).toBe(20);
    expect([...third.ids]).toEqual(uncached(parted, 24, 100));
    // The same once more: its last token must be read for what follows it.
    const [fourth] = await all(session, requestOf([parted]));
    expect(fourth).toMatchObject({ reused: 28, ids: third.ids });
    // And the second still stands there.
    const [fifth] = await all(session, requestOf([second]));
    expect(fifth).toMatchObject({ reused: second.length - 1, ids: next.ids });
  });

  test('a cancel is heard after each token, and the session goes on', async () => {
    const session = open();
    const controller = new AbortController();
    const tokens = session.generate(requestOf([prompt(20)]), controller.signal);
    const given: number[] = [];
    let result: readonly Generated[] = [];
    for (;;) {
      const { done, value } = await tokens.next();
      if (done) {
        result = value;
        break;
      }
      given.push(value.id);
      if (given.length === 5) controller.abort();
    }
    expect(given.length).toBe(5);
    expect(result).toMatchObject([{ reason: 'cancelled', ids: Int32Array.from(given) }]);
    // Broken off by who reads it, and cancelled before the prompt is read.
    for await (const _ of session.generate(requestOf([prompt(20)]))) break;
    const [none] = await all(session, requestOf([prompt(900)]), AbortSignal.abort());
    expect(none).toMatchObject({ reason: 'cancelled', ids: new Int32Array(0) });
    const [after] = await all(session, requestOf([prompt(20)]));
    expect([...after.ids]).toEqual(uncached(prompt(20), 24, 100));
  });

  test('calls made at once are served together, and none waits for another to end', async () => {
    const session = open();
    const prompts = [prompt(20, 1), prompt(25, 2), prompt(30, 3)];
    const order: number[] = [];
    const results = await Promise.all(
      prompts.map(async (ids, i) => {
        const mine: number[] = [];
        for await (const { id } of session.generate(requestOf([ids]))) {
          order.push(i);
          mine.push(id);
        }
        return mine;
      }),
    );
    for (const [i, ids] of results.entries()) expect(ids).toEqual(uncached(prompts[i], 24, 100));
    // Turn by turn.
    expect(order.slice(0, 6).sort()).toEqual([0, 0, 1, 1, 2, 2]);
  });

  test('a sequence begins as soon as another ends, whatever is still under way', async () => {
    const session = open({ sequences: 2 });
    const [long, ...short] = [200, 10, 10, 10].map((max_new_tokens, i) =>
      all(session, requestOf([prompt(10, i)], { max_new_tokens })).then(() => i),
    );
    expect(await Promise.race([long, Promise.all(short)])).toEqual([1, 2, 3]);
    expect(await long).toBe(0);
  });

  test('more than the cache holds together: the others wait, and all come out right', async () => {
    // Six blocks: two sequences at a time.
    const session = open({ cacheBytes: 6 * 32 * tokenBytes });
    const prompts = [0, 1, 2, 3, 4].map((i) => prompt(40, i));
    const results = await all(session, requestOf(prompts, { max_new_tokens: 50 }));
    for (const [i, { ids, reason }] of results.entries()) {
      expect([...ids]).toEqual(uncached(prompts[i], 50, 100 + i));
      expect(reason).toBe('length');
    }
    // Alone it may have all of it, and no more.
    const [full] = await all(session, requestOf([prompt(40)], { max_new_tokens: 500 }));
    expect([full.ids.length, full.reason]).toEqual([6 * 32 - 40, 'length']);
    await expect(all(session, requestOf([prompt(192)]))).rejects.toThrow(/cache holds 192/);
  });

  test('a pass that fails is told to all who are in it, and the session goes on', async () => {
    const session = open({ sequences: 2 });
    const { model } = loaded;
    let broken = true;
    const fragile: Loaded = {
      ...loaded,
      model: {
        ...model,
        decoder: Object.assign(
          (...args: Parameters<typeof model.decoder>) => {
            if (broken && args[0].ids.length > 1) throw new Error('out of order');
            return model.decoder(...args);
          },
          { parts: model.decoder.parts },
        ),
      },
    };
    const own = openGenerator(fragile, about, { cacheBytes: 20e6, sequences: 2 });
    const calls = [0, 1, 2].map((i) => all(own, requestOf([prompt(20, i)])));
    const scored = own.score({ sequences: [{ ids: prompt(9), from: 1 }] });
    const settled = await Promise.allSettled([...calls, scored]);
    for (const { status } of settled) expect(status).toBe('rejected');
    broken = false;
    expect(await all(own, requestOf([prompt(20)]))).toEqual(
      await all(session, requestOf([prompt(20)])),
    );
    await own.close();
  });

  test('gives its memory back', async () => {
    const { memory } = loaded;
    const before = memory.account().cache.inUse;
    const session = open();
    await all(session, requestOf([prompt(20), prompt(30)]));
    await all(session, requestOf([prompt(20)], { max_new_tokens: 300 }));
    expect(memory.account().activations.inUse).toBe(0);
    expect(memory.account().workspace.inUse).toBe(0);
    expect(memory.account().cache.inUse).toBeGreaterThan(before);
    await session.close();
    expect(memory.account().cache.inUse).toBe(before);
  });
});

describe('scoring', () => {
  test('gives the log-probability of each token after the prompt', async () => {
    const session = open();
    const sequences = [
      { ids: prompt(40, 1), from: 1 },
      { ids: prompt(passTokens + 90, 2), from: passTokens - 3 },
      { ids: prompt(12, 3), from: 11 },
      { ids: prompt(4, 4), from: 4 },
    ];
    const scores = await session.score({ sequences });
    for (const [n, { ids, from }] of sequences.entries()) {
      expect(scores[n].length).toBe(ids.length - from);
      const exact = logProbabilities(ids).slice(from - 1);
      for (const [i, value] of scores[n].entries()) expect(value).toBeCloseTo(exact[i], 4);
    }
    expect(loaded.memory.account().activations.inUse).toBe(0);
  });

  test('can be cancelled', async () => {
    const sequences = [{ ids: prompt(40, 1), from: 1 }];
    const score = open().score({ sequences }, AbortSignal.abort());
    await expect(score).rejects.toThrow(/abort/);
  });
});

/** log p of tokens 1, 2, …, by plain arithmetic on all logits. */
function logProbabilities(ids: Int32Array): number[] {
  const { memory, model } = loaded;
  const logits = within({ memory, tape: null, randomness: null }, () =>
    memory.scope(() => {
      const hidden = model.decoder({ ids }, documentsContext([ids.length]));
      return logitsOf(loaded, hidden).read();
    }),
  );
  const V = logits.length / ids.length;
  return Array.from({ length: ids.length - 1 }, (_, i) => {
    const row = Float64Array.from(logits.subarray(i * V, (i + 1) * V));
    return row[ids[i + 1]] - Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0));
  });
}
