/** @file Replies as text: prompt ids in, whole characters out as they come, up to a stop token or a stop text. */
import type { ChatTemplate } from '../data/chat-template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Sampling } from './sampling.ts';
import type { Generated, Session } from './session.ts';
import type { GenerateSettings } from './settings.ts';

/** What one talks to: a session, and the words that its model knows. */
export type Talk = {
  readonly session: Session;
  /** Undefined for a model that has none: then it completes texts, and holds no conversation. */
  readonly template: ChatTemplate | undefined;
  readonly tokenizer: Tokenizer;
};

export type ReplyRequest = {
  /** The prompt, [T]. */
  readonly ids: Int32Array;
  readonly sampling: Sampling;
  readonly seed: number;
  readonly max_new_tokens: number;
  readonly stop_ids: readonly number[];
  /** The reply ends before any of these texts. */
  readonly stop?: readonly string[];
  readonly skip_special_tokens: boolean;
  /** A name of `lora_modules`. */
  readonly module?: string | undefined;
};

export type Reply = {
  readonly text: string;
  readonly reason: Generated['reason'];
  /** New tokens, a stop token with them. */
  readonly tokens: number;
  /** Tokens of the prompt that an earlier call had read. */
  readonly reused: number;
};

/** Pieces of text as they come; returns the whole. The signal ends it with reason `cancelled`. */
export async function* reply(
  { session, tokenizer }: Pick<Talk, 'session' | 'tokenizer'>,
  request: ReplyRequest,
  signal?: AbortSignal,
): AsyncGenerator<string, Reply, undefined> {
  const { ids, sampling, seed, max_new_tokens, stop_ids, stop = [], module } = request;
  const skipSpecialTokens = request.skip_special_tokens;
  const decoder = tokenizer.streamDecoder({ skipSpecialTokens });
  const until = stopAt(stop);
  const tokens = session.generate(
    {
      prompts: [{ ids, seed }],
      ...{ sampling, max_new_tokens, stop_ids: [...stop_ids] },
      ...(module !== undefined && { module }),
    },
    signal,
  );
  let text = '';
  let count = 0;
  try {
    for (;;) {
      const { done, value } = await tokens.next();
      // A stop token that is no special one is still no part of the reply.
      const piece = done
        ? until.end(decoder.end())
        : until.push(
            skipSpecialTokens && stop_ids.includes(value.id) ? '' : decoder.push(value.id),
          );
      if (!done) count++;
      text += piece;
      if (piece !== '') yield piece;
      if (done) {
        const [{ reason, reused }] = value;
        return { text, reason: until.stopped() ? 'stop' : reason, tokens: count, reused };
      }
      if (until.stopped()) return { text, reason: 'stop', tokens: count, reused: 0 };
    }
  } finally {
    await tokens.return([]);
  }
}

/** How long a reply may be: `max_new_tokens`, or what a prompt leaves of `max_length` where that is 0 or less. */
export const longestReply = (
  { max_new_tokens, max_length }: Pick<GenerateSettings, 'max_new_tokens' | 'max_length'>,
  promptTokens: number,
): number => (max_new_tokens > 0 ? max_new_tokens : Math.max(1, max_length - promptTokens));

/** Holds back what may be the beginning of a stop text, and gives nothing of it out. */
function stopAt(stops: readonly string[]) {
  let held = '';
  let stopped = false;
  const release = (keep: number): string => {
    const out = held.slice(0, held.length - keep);
    held = held.slice(out.length);
    return out;
  };
  const push = (piece: string): string => {
    if (stopped) return '';
    held += piece;
    const found = stops.map((stop) => held.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) {
      stopped = true;
      return held.slice(0, Math.min(...found));
    }
    const longest = Math.max(0, ...stops.map((stop) => stop.length - 1));
    let keep = Math.min(longest, held.length);
    while (keep > 0 && !stops.some((stop) => stop.startsWith(held.slice(-keep)))) keep--;
    return release(keep);
  };
  return {
    push,
    end: (piece: string): string => push(piece) + (stopped ? '' : release(0)),
    stopped: () => stopped,
  };
}
