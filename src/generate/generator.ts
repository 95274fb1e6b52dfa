/**
 * @file A session over a model in this process. All calls are served together: a pass over what is new of their prompts,
 * then one over the next token of every sequence, and so on. The event loop gets a turn after each pass, so a
 * cancel is heard at once. What a sequence gives does not depend on what else is under way.
 */
import { Cache } from '../engine/nn/index.ts';
import { embedding } from '../engine/ops/embedding.ts';
import { linearCrossEntropy } from '../engine/ops/linear-cross-entropy.ts';
import type { Tensor } from '../engine/tensor.ts';
import { crossEntropyForward } from '../kernels/cross-entropy.ts';
import type { TensorData } from '../kernels/kernel.ts';
import { BlockTable, blockTokens } from './blocks.ts';
import { DecodePlans } from './decode-plan.ts';
import { cacheFull, contextFull, emptyPrompt, unknownId, unknownModule } from './errors.ts';
import { forward, type Loaded, logitsOf } from './forward.ts';
import { chooseToken } from './sampling.ts';
import { Scheduler } from './scheduler.ts';
import { Call, type Generating, type Scoring, type Sequence } from './sequence.ts';
import type {
  About,
  Generated,
  GenerateRequest,
  NewToken,
  ScoreRequest,
  Session,
} from './session.ts';

export type GeneratorOptions = {
  /** Bytes that the cache may take, for all sequences and for what is remembered. */
  readonly cacheBytes: number;
  /** Most sequences that are under way together. */
  readonly sequences: number;
  /** Storage of the cache; that of the activations where unset. */
  readonly cacheDtype?: 'f32' | 'bf16' | undefined;
  /** Most tokens of prompts in one pass: memory and the answer to a cancel are bounded by it. */
  readonly passTokens?: number;
};

export const defaultPassTokens = 512;
/** The same while sequences wait for their next token: their pause is bounded by it. */
const mixedTokens = 128;

export function openGenerator(
  loaded: Loaded,
  about: About,
  { cacheBytes, sequences, cacheDtype, passTokens = defaultPassTokens }: GeneratorOptions,
): Session {
  const { memory, model } = loaded;
  const [V] = model.head.weight.shape;
  const blocks = blocksOf(loaded, cacheBytes, { sequences, cacheDtype, about });
  const cache = new Cache(memory, blocks * blockTokens, cacheDtype);
  const scheduler = new Scheduler(cache, {
    blocks,
    sequences,
    passTokens,
    mixedTokens: Math.min(mixedTokens, passTokens),
  });
  const plans = new DecodePlans(loaded, cache, blocks);
  const limit = Math.min(about.context_length ?? Infinity, scheduler.capacity);
  let working: Promise<void> | undefined;

  function checkIds(ids: Int32Array, room: number): void {
    if (ids.length === 0) throw emptyPrompt();
    if (ids.length + room > limit) {
      throw limit === about.context_length
        ? contextFull(ids.length, limit)
        : cacheFull(ids.length, limit);
    }
    for (const id of ids) if (id < 0 || id >= V) throw unknownId(id, V);
  }

  function begin(call: Call, sequences: readonly Sequence[]): void {
    scheduler.add(call, sequences);
    working ??= work().finally(() => {
      working = undefined;
    });
  }

  async function work(): Promise<void> {
    // Calls of one moment begin together.
    await turn();
    while (!scheduler.idle) {
      try {
        scheduler.admit();
        if (readPrompts()) await turn();
        if (chooseNext()) await turn();
      } catch (error) {
        fail(error);
      }
    }
  }

  /** A pass that fails is that of all who are under way; who waits may still begin. */
  function fail(error: unknown): void {
    const failed = scheduler.active.length > 0 ? [...scheduler.active] : scheduler.everything();
    for (const sequence of failed) {
      scheduler.end(sequence);
      sequence.call.error ??= error instanceof Error ? error : new Error(String(error));
      sequence.call.tell();
    }
  }

  /** A pass over what is new of prompts; false where there is nothing. */
  function readPrompts(): boolean {
    const reading = scheduler.reading();
    if (reading.length === 0) return false;
    const pieces = reading.map(({ piece }) => piece);
    forward(loaded, cache, pieces, (hidden, documents) => {
      for (const { sequence, piece } of reading) scheduler.wasRead(sequence, piece.ids.length);
      const done = reading
        .map(({ sequence }, n) => ({ sequence, row: documents[n + 1] - 1 }))
        .filter(({ sequence }) => sequence.read === sequence.prompt.length);
      const begun = done.filter(isGenerating);
      if (begun.length > 0) {
        const indices = Int32Array.from(begun, ({ row }) => row);
        choose(begun, logitsOf(loaded, embedding([hidden], { indices })).data);
      }
      scoreRows(reading, hidden, documents);
      for (const { sequence } of done) if (sequence.work.kind === 'score') finish(sequence);
    });
    return true;
  }

  /** log p of what follows each position that is asked for, of the scored sequences of a pass. */
  function scoreRows(
    reading: ReturnType<Scheduler['reading']>,
    hidden: Tensor,
    documents: Int32Array,
  ): void {
    const asked: number[] = [];
    const targets: number[] = [];
    const places: { readonly into: Float32Array; readonly at: number }[] = [];
    for (const [n, { sequence, piece }] of reading.entries()) {
      if (sequence.work.kind !== 'score') continue;
      const { ids, from, into } = sequence.work;
      const end = piece.at + piece.ids.length;
      for (let next = Math.max(from, piece.at + 1); next <= end; next++) {
        asked.push(documents[n] + next - 1 - piece.at);
        targets.push(ids[next]);
        places.push({ into, at: next - from });
      }
    }
    if (asked.length === 0) return;
    const { weight, bias } = model.head;
    const chosen = embedding([hidden], { indices: Int32Array.from(asked) });
    const logp = linearCrossEntropy([chosen, weight.tensor, bias?.tensor ?? null], {
      targets: Int32Array.from(targets),
    }).read();
    for (const [i, { into, at }] of places.entries()) into[at] = logp[i];
  }

  /** A pass over the last token of every sequence whose prompt is read; false where there is none. */
  function chooseNext(): boolean {
    const decoding = scheduler
      .decoding()
      .map((sequence) => ({ sequence }))
      .filter(isGenerating);
    if (decoding.length === 0) return false;
    const pieces = decoding.map(({ sequence: { work, read, table } }) => ({
      ids: work.ids.subarray(read, read + 1),
      at: read,
      table,
    }));
    const logits = plans.run(pieces);
    for (const { sequence } of decoding) sequence.read++;
    choose(decoding, logits);
    return true;
  }

  /** logits: [n, V], of what follows each sequence's last token. */
  function choose(
    sequences: readonly { readonly sequence: Sequence & { readonly work: Generating } }[],
    logits: TensorData,
  ): void {
    for (const [row, { sequence }] of sequences.entries()) {
      const { call, work } = sequence;
      const own = logits.subarray(row * V, (row + 1) * V);
      // What the model itself thinks: a penalty and the temperature come after.
      const plain = work.logp ? own.slice() : undefined;
      let id: number;
      try {
        id = chooseToken(own, work.ids.subarray(0, work.length), work.sampling, work.seed);
      } catch (error) {
        // Nothing of it can be chosen; the others go on.
        call.error = error instanceof Error ? error : new Error(String(error));
        finish(sequence);
        continue;
      }
      work.ids[work.length++] = id;
      const token = { sequence: work.index, id };
      call.tokens.push(plain ? { ...token, logp: logProbability(plain, id) } : token);
      if (work.stopIds.includes(id)) work.reason = 'stop';
      else if (work.length === work.ids.length) work.reason = 'length';
      if (work.reason === undefined) call.tell();
      else finish(sequence);
    }
  }

  function finish(sequence: Sequence): void {
    scheduler.end(sequence);
    sequence.call.open--;
    sequence.call.tell();
  }

  async function* generate(
    { prompts, sampling, max_new_tokens, stop_ids, logprobs, module }: GenerateRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<NewToken, readonly Generated[], undefined> {
    if (module !== undefined) throw unknownModule(module, []);
    for (const { ids } of prompts) checkIds(ids, 1);
    const call = new Call(prompts.length);
    const sequences = prompts.map(({ ids, seed }, index) => {
      const most = Math.min(ids.length + max_new_tokens, limit);
      const all = new Int32Array(most);
      all.set(ids);
      const work: Generating = {
        kind: 'generate',
        ...{ index, seed, sampling, stopIds: stop_ids, logp: logprobs ?? false },
        ...{ ids: all, length: ids.length, reason: undefined },
      };
      // The last token of a prompt is read for what follows it; the last of a reply is not read.
      return newSequence({ call, prompt: ids, reusable: ids.length - 1, most: most - 1, work });
    });
    const cancel = (): void => {
      for (const sequence of sequences) {
        if (sequence.work.reason !== undefined) continue;
        sequence.work.reason = 'cancelled';
        finish(sequence);
      }
    };
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
    else begin(call, sequences);
    try {
      for (;;) {
        while (call.tokens.length > 0) yield call.tokens.shift()!;
        if (call.over) break;
        await call.news();
      }
    } finally {
      signal?.removeEventListener('abort', cancel);
      cancel();
    }
    if (call.error) throw call.error;
    return sequences.map(({ work, prompt, reused }) => ({
      ids: work.ids.slice(prompt.length, work.length),
      reason: work.reason ?? 'cancelled',
      reused,
    }));
  }

  async function score(
    { sequences }: ScoreRequest,
    signal?: AbortSignal,
  ): Promise<readonly Float32Array[]> {
    for (const { ids } of sequences) checkIds(ids, 0);
    signal?.throwIfAborted();
    const call = new Call(sequences.length);
    const scored = sequences.map(({ ids, from }) => {
      const into = new Float32Array(Math.max(0, ids.length - from));
      const work: Scoring = { kind: 'score', ids, from, into };
      // The last token is predicted, and predicts nothing that is asked for.
      const prompt = ids.subarray(0, into.length > 0 ? -1 : 0);
      return newSequence({ call, prompt, reusable: from - 1, most: prompt.length, work });
    });
    const asked = scored.filter(({ work: { into } }) => into.length > 0);
    call.open = asked.length;
    begin(call, asked);
    const wake = (): void => call.tell();
    signal?.addEventListener('abort', wake);
    try {
      while (!call.over) {
        await call.news();
        signal?.throwIfAborted();
      }
    } finally {
      signal?.removeEventListener('abort', wake);
      for (const sequence of asked) scheduler.end(sequence);
    }
    if (call.error) throw call.error;
    return scored.map(({ work: { into } }) => into);
  }

  function newSequence<Work extends Generating | Scoring>(
    given: Pick<Sequence, 'call' | 'prompt' | 'reusable' | 'most'> & { readonly work: Work },
  ): Sequence & { readonly work: Work } {
    return { ...given, table: scheduler.newTable(), read: 0, reused: 0, promised: 0 };
  }

  return {
    about,
    generate,
    score,
    async close() {
      await working;
      cache.release();
    },
  };
}

/** Blocks for which there is memory, and not more than the sequences together can ever use. */
function blocksOf(
  loaded: Loaded,
  bytes: number,
  {
    sequences,
    cacheDtype,
    about,
  }: Pick<GeneratorOptions, 'sequences' | 'cacheDtype'> & { readonly about: About },
): number {
  const most = Math.ceil((about.context_length ?? Infinity) / blockTokens) * sequences;
  const block = blockTokens * tokenBytes(loaded, cacheDtype);
  return Math.max(1, Math.min(most, Math.floor(bytes / block)));
}

/** Bytes of one token in the cache: every family has its own shape, so one is read. */
function tokenBytes(loaded: Loaded, dtype: GeneratorOptions['cacheDtype']): number {
  const cache = new Cache(loaded.memory, 1, dtype);
  const table = new BlockTable({ size: 1 });
  table.blocks.push(0);
  cache.claim(1);
  const before = loaded.memory.cache.inUse;
  forward(loaded, cache, [{ ids: Int32Array.of(0), at: 0, table }], () => undefined);
  const bytes = loaded.memory.cache.inUse - before;
  cache.release();
  return bytes;
}

const isGenerating = <Entry extends { readonly sequence: Sequence }>(
  entry: Entry,
): entry is Entry & { readonly sequence: Sequence & { readonly work: Generating } } =>
  entry.sequence.work.kind === 'generate';

/** logits: [V] → log p of `id`, in nats. */
function logProbability(logits: TensorData, id: number): number {
  const logp = new Float32Array(1);
  crossEntropyForward.run(logits, Int32Array.of(id), logp, new Float32Array(1), null, null);
  return logp[0];
}

/** Lets what has arrived be heard: a message, a signal. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
