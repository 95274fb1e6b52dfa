/** @file A conversation in the terminal: its history, what of it fits the context, and one reply at a time. */
import { defineError } from '../core/errors.ts';
import type { ChatTemplate } from '../data/chat-template.ts';
import type { Message } from '../data/example.ts';
import { samplingOf } from '../generate/sampling.ts';
import type { GenerateSettings } from '../generate/settings.ts';
import { longestReply, type Reply, reply, type Talk } from '../generate/talk.ts';

export const turnTooLong = defineError('cli/turn-too-long', (tokens: number, most: number) => ({
  message: `this message alone has ${tokens} tokens with its template, and the model’s context holds ${most}`,
  help: 'shorten it, or take a model with a longer context',
}));

export type Turn = Reply & {
  readonly promptTokens: number;
  /** Earlier messages that no longer fit, and were left out for good. */
  readonly dropped: number;
};

export type Conversation = {
  /** A reply to `text`, piece by piece. What was said before the signal came stays in the history. */
  say(
    text: string,
    settings: GenerateSettings,
    signal: AbortSignal,
  ): AsyncGenerator<string, Turn, undefined>;
  clear(): void;
  /** Empty is the template's own. */
  setSystem(text: string): void;
  readonly system: () => string;
};

/** Of the context, kept free for a reply. */
const replyShare = 1 / 4;

export function openConversation(
  talk: Talk & { readonly template: ChatTemplate },
  seed: number,
): Conversation {
  const { template, session } = talk;
  const limit = session.about.context_length ?? Infinity;
  let messages: Message[] = [];
  let system = '';
  const promptOf = (some: readonly Message[]): Int32Array =>
    template.prompt({ messages: some, system, tools: '' });

  /** The latest exchanges that leave room for a reply. */
  function latest(asked: readonly Message[], room: number): { kept: Message[]; ids: Int32Array } {
    for (let from = 0; ; from += 2) {
      const kept = asked.slice(from);
      const ids = promptOf(kept);
      if (ids.length + room <= limit) return { kept, ids };
      if (kept.length > 1) continue;
      if (ids.length >= limit) throw turnTooLong(ids.length, limit);
      return { kept, ids };
    }
  }

  return {
    async *say(text, settings, signal) {
      const asked: Message[] = [...messages, { role: 'user', content: text }];
      const room = Math.min(Math.max(1, settings.max_new_tokens), Math.floor(limit * replyShare));
      const { kept, ids } = latest(asked, room);
      const request = {
        ids,
        seed,
        sampling: samplingOf(settings),
        max_new_tokens: longestReply(settings, ids.length),
        stop_ids: template.stopIds,
        skip_special_tokens: settings.skip_special_tokens,
      };
      const said = yield* reply(talk, request, signal);
      const nothing = said.reason === 'cancelled' && said.text === '';
      if (!nothing) messages = [...kept, { role: 'assistant', content: said.text }];
      return { ...said, promptTokens: ids.length, dropped: asked.length - kept.length };
    },
    clear() {
      messages = [];
    },
    setSystem(text) {
      system = text;
    },
    system: () => system,
  };
}
