/** @file What a chat template does for the rest: conversations in, ids with their turns out. */
import type { Turn } from './labels.ts';
import type { Conversation } from './templates/render.ts';

/** What a template has no place for, so that a row that holds it loses it. */
export type Omits = {
  readonly tools: boolean;
  readonly calls: boolean;
  /** `reasoning_content` beside a reply; thoughts that stand in its text are text. */
  readonly thoughts: boolean;
};

export type ChatTemplate = {
  /** `qwen`, …, or `model` for the model's own. */
  readonly name: string;
  /** All that decides what it writes, for cache keys. */
  readonly identity: string;
  /** Ids at which a reply ends; the first is the one that replies are taught. */
  readonly stopIds: readonly number[];
  /** The stop token, where it is learned in place of the next prompt's first token. */
  readonly efficientEos: number | undefined;
  readonly omits: Omits;
  /** Each prompt with its reply. */
  encode(conversation: Conversation): readonly Turn[];
  /** The last message with all before it as its prompt, where that differs from what `encode` gives of it. */
  encodeOneTurn?(conversation: Conversation): Turn;
  /** The ids after which a reply to the last message is generated. */
  prompt(conversation: Conversation): Int32Array;
  /** What `prompt` tokenizes, for people to read. */
  promptText(conversation: Conversation): string;
};

/**
 * Templates that print a date get this one, in every run: Llama 3.1's own where no clock is at hand.
 * With the real date, each new day would make other data of the same rows, and no run could be repeated.
 */
export const fixedDate = new Date(Date.UTC(2024, 6, 26));

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `26 Jul 2024` */
export const formatDate = (date: Date): string =>
  `${String(date.getUTCDate()).padStart(2, '0')} ${months[date.getUTCMonth()]} ${date.getUTCFullYear()}`;

export function concat(parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
