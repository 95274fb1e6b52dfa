/** Sessions over a tiny model: with a cache, together, again and cut short, they give what reading all anew gives. */
import { beforeAll, describe, expect, test } from 'vitest';
import { Memory } from '../../src/engine/memory.ts';
import { documentsContext } from '../../src/engine/nn/index.ts';
import { within } from '../../src/engine/session.ts';
import { type Loaded, logitsOf, passes, passTokens } from '../../src/generate/forward.ts';
import { openGenerator } from '../../src/generate/generator.ts';
import { chooseToken, greedy, type Sampling } from '../../src/generate/sampling.ts';
import type { About, Generated, GenerateRequest, Session } from '../../src/generate/session.ts';
import { loadModel } from '../../src/models/load.ts';
import { openModel } from '../../src/models/source.ts';

let loaded: Loaded;
const about: About = { model: 'tiny', adapters: [], dtype: 'f32', context_length: 2048 };

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
        return chooseToken(logits.data.subarray((text.length - 1) * V), text, sampling, seed);
      }),
    );
    text.push(id);
  }
  return text.slice(ids.length);
}

describe('generating', () => {
  test('with the cache gives what reading all again gives', async () => {
    const ids = prompt(40);
    const [ours] = await all(openGenerator(loaded, about), requestOf([ids]));
    expect([...ours.ids]).toEqual(uncached(ids, 24, 100));
    expect(ours.reason).toBe('length');
    const penal = { ...free, repetition_penalty: 3 };
    const [other] = await all(openGenerator(loaded, about), requestOf([ids], { sampling: penal }));
    expect([...other.ids]).toEqual(uncached(ids, 24, 100, penal));
    expect(other.ids).not.toEqual(ours.ids);
  });

  test('a prompt longer than a pass, and a reply that outgrows the cache', async () => {
    const ids = prompt(passTokens + 130);
    const request = requestOf([ids], { max_new_tokens: 700 });
    const [ours] = await all(openGenerator(loaded, about), request);
    expect(ours.ids.length).toBe(700);
    // Its tail is what the whole text gives.
    const before = Int32Array.from([...ids, ...ours.ids.slice(0, 690)]);
    expect([...ours.ids.slice(690)]).toEqual(uncached(before, 10, 100));
  });

  test('together gives what each alone gives, whatever the lengths', async () => {
    const prompts = [prompt(30, 1), prompt(3, 2), prompt(1, 3), prompt(passTokens + 40, 4)];
    const together = await all(openGenerator(loaded, about), requestOf(prompts));
    const alone = [];
    for (const [i, ids] of prompts.entries()) {
      const request = { ...requestOf([ids]), prompts: [{ ids, seed: 100 + i }] };
      alone.push(...(await all(openGenerator(loaded, about), request)));
    }
    expect(idsOf(together)).toEqual(idsOf(alone));
  });

  test('the seed alone decides what is drawn', async () => {
    const session = openGenerator(loaded, about);
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
    const [a, b] = await all(openGenerator(loaded, about), requestOf(prompts));
    const stop = [a.ids[4], b.ids[9]];
    const request = requestOf(prompts, { stop_ids: stop });
    const stopped = await all(openGenerator(loaded, about), request);
    for (const [n, full] of [a, b].entries()) {
      const end = full.ids.findIndex((id) => stop.includes(id));
      expect([...stopped[n].ids]).toEqual([...full.ids.slice(0, end + 1)]);
      expect(stopped[n].reason).toBe('stop');
    }
  });

  test('ends where the context is full, and refuses a prompt that leaves no room', async () => {
    const session = openGenerator(loaded, { ...about, context_length: 32 });
    const [ours] = await all(session, requestOf([prompt(30)]));
    expect([ours.ids.length, ours.reason]).toEqual([2, 'length']);
    await expect(all(session, requestOf([prompt(32)]))).rejects.toThrow(/32 tokens.*holds 32/);
    await expect(all(session, requestOf([new Int32Array(0)]))).rejects.toThrow(/no tokens/);
    await expect(all(session, requestOf([Int32Array.of(5000)]))).rejects.toThrow(/token 5000/);
  });

  test('what a prompt shares with the one before is not read again', async () => {
    const session = openGenerator(loaded, about);
    const first = prompt(50);
    const [reply] = await all(session, requestOf([first]));
    expect(reply.reused).toBe(0);
    const second = Int32Array.from([...first, ...reply.ids, ...prompt(9, 3)]);
    const [next] = await all(session, requestOf([second]));
    // The last token of a reply was given out, and never read.
    expect(next.reused).toBe(50 + 24 - 1);
    expect([...next.ids]).toEqual(uncached(second, 24, 100));
    const parted = Int32Array.from([...first.slice(0, 20), ...prompt(9, 4)]);
    const [third] = await all(session, requestOf([parted]));
    expect(third.reused).toBe(20);
    expect([...third.ids]).toEqual(uncached(parted, 24, 100));
    // The same once more: its last token must be read for its logits.
    const [fourth] = await all(session, requestOf([parted]));
    expect(fourth).toMatchObject({ reused: 28, ids: third.ids });
  });

  test('a cancel is heard after each token, and the session goes on', async () => {
    const session = openGenerator(loaded, about);
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

  test('calls made at once wait for each other', async () => {
    const session = openGenerator(loaded, about);
    const prompts = [prompt(20, 1), prompt(25, 2), prompt(30, 3)];
    const results = await Promise.all(prompts.map((ids) => all(session, requestOf([ids]))));
    for (const [i, [{ ids }]] of results.entries()) {
      expect([...ids]).toEqual(uncached(prompts[i], 24, 100));
    }
  });

  test('gives its memory back', async () => {
    const { memory } = loaded;
    const before = memory.account().cache.inUse;
    const session = openGenerator(loaded, about);
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
    const session = openGenerator(loaded, about);
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
    const score = openGenerator(loaded, about).score({ sequences }, AbortSignal.abort());
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

test('passes hold so many tokens, and every token once in its order', () => {
  const rest = [prompt(7), prompt(0), prompt(12, 1)];
  const all = [...passes(rest, 5)];
  const sizes = all.map((added) => added.reduce((sum, ids) => sum + ids.length, 0));
  expect(sizes).toEqual([5, 5, 5, 4]);
  for (const [n, ids] of rest.entries()) {
    expect(all.flatMap((added) => [...added[n]])).toEqual([...ids]);
  }
  expect([...passes([prompt(0)])]).toEqual([]);
});
