/**
 * @file A session over a model in this process. It gives its event loop a turn after every pass, so a cancel is
 * heard at once; calls wait for each other; and what a prompt shares with the one before it is not read again.
 */
import { Cache } from '../engine/nn/index.ts';
import { embedding } from '../engine/ops/embedding.ts';
import { linearCrossEntropy } from '../engine/ops/linear-cross-entropy.ts';
import { contextFull, emptyPrompt, unknownId } from './errors.ts';
import { forward, type Loaded, logitsOf, passes } from './forward.ts';
import { chooseToken } from './sampling.ts';
import type {
  About,
  Generated,
  GenerateRequest,
  NewToken,
  ScoreRequest,
  Session,
} from './session.ts';

/** Room that a cache begins with; it grows as it must. */
const firstTokens = 256;

/** Tokens that the cache of a scored group may hold. */
const scoreTokens = 4096;

/** The conversation that was read last, and stays in its cache. */
type Conversation = { readonly cache: Cache; ids: readonly number[] };

type Sequence = {
  /** Prompt and reply. */
  readonly ids: number[];
  readonly prompt: number;
  readonly seed: number;
  readonly reused: number;
  reason: Generated['reason'] | undefined;
};

export function openGenerator(loaded: Loaded, about: About): Session {
  const { memory, model } = loaded;
  const [V] = model.head.weight.shape;
  const limit = about.context_length ?? Infinity;
  const inTurn = queue();
  let conversation: Conversation | undefined;

  /** The cache of a single prompt: whatever it shares with the last one is kept, but for its last token. */
  function resume(prompt: Int32Array): Cache {
    conversation ??= { cache: new Cache(memory, 1, firstTokens), ids: [] };
    const { cache, ids } = conversation;
    const most = Math.min(cache.lengths[0], prompt.length - 1);
    let shared = 0;
    while (shared < most && ids[shared] === prompt[shared]) shared++;
    cache.truncate([shared]);
    return cache;
  }

  function checkIds(ids: Int32Array): void {
    if (ids.length === 0) throw emptyPrompt();
    for (const id of ids) if (id < 0 || id >= V) throw unknownId(id, V);
  }

  async function* generate(
    { prompts, sampling, max_new_tokens, stop_ids }: GenerateRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<NewToken, readonly Generated[], undefined> {
    for (const { ids } of prompts) {
      checkIds(ids);
      if (ids.length >= limit) throw contextFull(ids.length, limit);
    }
    if (prompts.length === 0) return [];
    const done = await inTurn();
    const alone = prompts.length === 1;
    const cache = alone
      ? resume(prompts[0].ids)
      : new Cache(memory, prompts.length, Math.max(...prompts.map(({ ids }) => ids.length)));
    const sequences = prompts.map(({ ids, seed }, n): Sequence => {
      const reused = cache.lengths[n];
      return { ids: [...ids], prompt: ids.length, seed, reused, reason: undefined };
    });
    if (conversation && alone) conversation.ids = sequences[0].ids;
    try {
      // All but the last token of each: nobody asks for logits there.
      for (const added of passes(prompts.map(({ ids }, n) => ids.slice(cache.lengths[n], -1)))) {
        if (signal?.aborted) break;
        forward(loaded, cache, added, () => undefined);
        await turn();
      }
      for (;;) {
        const active = sequences.filter(({ reason }) => reason === undefined);
        if (signal?.aborted) for (const each of active) each.reason = 'cancelled';
        if (active.length === 0 || signal?.aborted) break;
        const added = sequences.map(({ ids, reason }) =>
          reason === undefined ? Int32Array.of(ids[ids.length - 1]) : new Int32Array(0),
        );
        const chosen = forward(loaded, cache, added, (hidden) => {
          const logits = logitsOf(loaded, hidden).data;
          return active.map(({ ids, seed }, row) =>
            chooseToken(logits.subarray(row * V, (row + 1) * V), ids, sampling, seed),
          );
        });
        for (const [row, sequence] of active.entries()) {
          const { ids, prompt } = sequence;
          const id = chosen[row];
          ids.push(id);
          if (stop_ids.includes(id)) sequence.reason = 'stop';
          else if (ids.length - prompt >= max_new_tokens || ids.length >= limit) {
            sequence.reason = 'length';
          }
          yield { sequence: sequences.indexOf(sequence), id };
        }
        await turn();
      }
    } finally {
      if (!alone) cache.release();
      done();
    }
    return sequences.map(({ ids, prompt, reason = 'cancelled', reused }) => ({
      ids: Int32Array.from(ids.slice(prompt)),
      reason,
      reused,
    }));
  }

  async function score(
    { sequences }: ScoreRequest,
    signal?: AbortSignal,
  ): Promise<readonly Float32Array[]> {
    for (const { ids } of sequences) {
      checkIds(ids);
      if (ids.length > limit) throw contextFull(ids.length, limit);
    }
    const results = sequences.map(
      ({ ids, from }) => new Float32Array(Math.max(0, ids.length - from)),
    );
    const done = await inTurn();
    try {
      for (const group of groups(sequences.map(({ ids }) => ids.length))) {
        await scoreGroup(
          group.map((n) => ({ ...sequences[n], into: results[n] })),
          signal,
        );
      }
    } finally {
      done();
    }
    return results;
  }

  async function scoreGroup(
    group: readonly (ScoreRequest['sequences'][number] & { readonly into: Float32Array })[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const cache = new Cache(memory, group.length, Math.max(...group.map(({ ids }) => ids.length)));
    try {
      // The last token is predicted, and predicts nothing that is asked for.
      for (const added of passes(group.map(({ ids }) => ids.subarray(0, -1)))) {
        signal?.throwIfAborted();
        const before = cache.lengths.slice();
        forward(loaded, cache, added, (hidden, documents) => {
          const asked: number[] = [];
          const targets: number[] = [];
          for (const [n, { ids, from }] of group.entries()) {
            for (let i = 0; i < added[n].length; i++) {
              const next = before[n] + i + 1;
              if (next < from) continue;
              asked.push(documents[n] + i);
              targets.push(ids[next]);
            }
          }
          if (asked.length === 0) return;
          const { weight, bias } = model.head;
          const chosen = embedding([hidden], { indices: Int32Array.from(asked) });
          const logp = linearCrossEntropy([chosen, weight.tensor, bias?.tensor ?? null], {
            targets: Int32Array.from(targets),
          }).read();
          let row = 0;
          for (const [n, { from, into }] of group.entries()) {
            for (let i = 0; i < added[n].length; i++) {
              const next = before[n] + i + 1;
              if (next >= from) into[next - from] = logp[row++];
            }
          }
        });
        await turn();
      }
    } finally {
      cache.release();
    }
  }

  return {
    about,
    generate,
    score,
    async close() {
      const done = await inTurn();
      conversation?.cache.release();
      conversation = undefined;
      done();
    },
  };
}

/** Lets what has arrived be heard: a message, a signal. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One at a time, in the order they came: resolves to what ends the turn. */
function queue(): () => Promise<() => void> {
  let last: Promise<void> = Promise.resolve();
  return async () => {
    const before = last;
    const { promise, resolve } = Promise.withResolvers<void>();
    last = promise;
    await before;
    return resolve;
  };
}

/** Indices in order, in groups whose caches stay small; a long sequence is a group by itself. */
function* groups(lengths: readonly number[]): Generator<number[]> {
  let group: number[] = [];
  let longest = 0;
  for (const [n, length] of lengths.entries()) {
    const most = Math.max(longest, length);
    if (group.length > 0 && (group.length + 1) * most > scoreTokens) {
      yield group;
      group = [];
    }
    longest = group.length === 0 ? length : most;
    group.push(n);
  }
  if (group.length > 0) yield group;
}
