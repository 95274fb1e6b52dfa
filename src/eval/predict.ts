/**
 * @file Replies to every row of a set: a file that gets each row's as soon as those before it are there, and is given its
 * name when it is whole. What was interrupted goes on at the row where it stopped.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Prepared } from '../data/prepared.ts';
import { lastNewline, openAppend } from '../files/append-file.ts';
import { makeFolder } from '../files/atomic.ts';
import { readChunks } from '../files/chunks.ts';
import { digestOf } from '../files/digest.ts';
import { samplingOf } from '../generate/sampling.ts';
import type { GenerateRequest, Session } from '../generate/session.ts';
import type { GenerateSettings } from '../generate/settings.ts';
import { longestReply } from '../generate/talk.ts';
import { lockFile } from '../native/lock.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { alreadyPredicting, promptTooLong } from './errors.ts';

export const predictionsName = 'generated_predictions.jsonl';

/** A line of the file; names as LLaMA-Factory has them. */
export type Prediction = {
  readonly prompt: string;
  readonly predict: string;
  /** The reply that the row has; empty where it has none. */
  readonly label: string;
};

export type PredictInput = {
  readonly session: Session;
  readonly tokenizer: Tokenizer;
  readonly stopIds: readonly number[];
  /** Prompts with the replies of the data: a set of `stage: ppo`. */
  readonly rows: Prepared;
  readonly settings: GenerateSettings;
  readonly seed: number;
  readonly folder: string;
  /** Of all that decides a reply beside the rows, the settings and the seed: model and adapters. */
  readonly model: string;
  /** Most sequences that the session generates together. */
  readonly sequences: number;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((state: Progress) => void) | undefined;
};

export type Progress = {
  /** Rows whose replies are in the file. */
  readonly rows: number;
  /** New tokens so far, of rows that are still under way too. */
  readonly tokens: number;
};

export type Predicted = Progress & {
  readonly outcome: 'finished' | 'stopped';
  readonly file: string;
  /** Rows that an earlier attempt had done. */
  readonly before: number;
  /** Replies that ended because they were as long as they may be. */
  readonly cut: number;
  /** Where the file of that name that was there before lies now. */
  readonly aside: string | undefined;
};

/** Calls that are open together: while the last sequences of one end, others fill the batch. */
const openCalls = 4;

/** Throws `eval/prompt-too-long`, `eval/already-predicting`, and what the session throws. */
export async function predict(input: PredictInput): Promise<Predicted> {
  const { session, rows, settings, seed, folder, sequences } = input;
  checkLengths(rows, session.about.context_length ?? Infinity);
  makeFolder(folder);
  const identity = digestOf(rows.digest, input.model, JSON.stringify(settings), String(seed));
  const partial = join(folder, `${predictionsName}.${identity.slice(0, 8)}.part`);
  const lock = lockFile(`${partial}.lock`);
  if (!lock) throw alreadyPredicting(partial);
  const file = openAppend(partial, lastNewline);
  const ending = new AbortController();
  const signal = AbortSignal.any([ending.signal, ...(input.signal ? [input.signal] : [])]);
  try {
    const before = countLines(partial);
    const state = { rows: before, tokens: 0, cut: 0 };
    const tell = (): void => input.progress?.({ rows: state.rows, tokens: state.tokens });
    const size = Math.max(1, Math.ceil(sequences / 2));
    const open: Promise<readonly Answer[]>[] = [];
    let next = before;
    tell();
    for (;;) {
      while (next < rows.count && open.length < openCalls && !signal.aborted) {
        const end = Math.min(next + size, rows.count);
        const call = answers({ ...input, signal }, next, end, () => {
          state.tokens++;
          tell();
        });
        // It is awaited in its turn, and may have failed long before.
        call.catch(() => undefined);
        open.push(call);
        next = end;
      }
      const first = open.shift();
      if (!first) break;
      for (const { prediction, reason } of await first) {
        if (reason === 'cancelled') break;
        file.append(`${JSON.stringify(prediction)}\n`);
        state.rows++;
        if (reason === 'length') state.cut++;
      }
      tell();
      if (signal.aborted) break;
    }
    file.sync();
    const done = state.rows === rows.count;
    return {
      ...{ ...state, before },
      outcome: done ? 'finished' : 'stopped',
      file: done ? join(folder, predictionsName) : partial,
      aside: done ? publish(partial, folder) : undefined,
    };
  } finally {
    ending.abort();
    file.close();
    lock.release();
    rmSync(`${partial}.lock`, { force: true });
  }
}

type Answer = {
  readonly prediction: Prediction;
  readonly reason: 'stop' | 'length' | 'cancelled';
};

/** Of the rows from `start` to `end`, in one call. */
async function answers(
  { session, tokenizer, stopIds, rows, settings, seed, signal }: PredictInput,
  start: number,
  end: number,
  token: () => void,
): Promise<readonly Answer[]> {
  const prompts = Array.from({ length: end - start }, (_, i) =>
    rows.column('prompt_ids', start + i),
  );
  const longest = prompts.map(({ length }) => longestReply(settings, length));
  const request: GenerateRequest = {
    // What a row is answered depends on the row alone, wherever an interrupted run goes on.
    prompts: prompts.map((ids, i) => ({ ids: ids.slice(), seed: seed * 2 ** 20 + start + i })),
    sampling: samplingOf(settings),
    max_new_tokens: Math.max(...longest),
    stop_ids: [...stopIds],
  };
  const tokens = session.generate(request, signal);
  for (;;) {
    const { done, value } = await tokens.next();
    if (!done) {
      token();
      continue;
    }
    const words = (ids: Int32Array): string => text(ids, { tokenizer, stopIds, settings });
    return value.map(({ ids, reason }, i) => ({
      prediction: {
        prompt: tokenizer.decode(prompts[i]),
        predict: words(ids.subarray(0, longest[i])),
        label: words(rows.column('reply_ids', start + i)),
      },
      reason: ids.length > longest[i] ? 'length' : reason,
    }));
  }
}

/** Up to what ends it: a stop token that is no special one is still no part of a reply, nor is what a template writes after it. */
function text(
  ids: Int32Array,
  { tokenizer, stopIds, settings }: Pick<PredictInput, 'tokenizer' | 'stopIds' | 'settings'>,
): string {
  const skipSpecialTokens = settings.skip_special_tokens;
  const stop = skipSpecialTokens ? ids.findIndex((id) => stopIds.includes(id)) : -1;
  return tokenizer.decode(stop < 0 ? ids : ids.subarray(0, stop), { skipSpecialTokens });
}

/** Before anything is generated, not after an hour. */
function checkLengths(rows: Prepared, limit: number): void {
  for (let row = 0; row < rows.count; row++) {
    const { length } = rows.column('prompt_ids', row);
    const [place] = rows.places(row);
    if (length >= limit && place) throw promptTooLong(place, length, limit);
  }
}

function countLines(path: string): number {
  let lines = 0;
  for (const chunk of readChunks(path)) {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
  }
  return lines;
}

/** Gives the file its name; where one of that name is kept to. */
function publish(partial: string, folder: string): string | undefined {
  const path = join(folder, predictionsName);
  let aside: string | undefined;
  if (existsSync(path)) {
    for (let n = 1; aside === undefined || existsSync(aside); n++) {
      aside = join(folder, predictionsName.replace('.jsonl', `.bak-${n}.jsonl`));
    }
    renameSync(path, aside);
  }
  renameSync(partial, path);
  return aside;
}
