/**
 * @file A conversation as one prompt with one reply, which is how preferences and prompts to be answered are
 * encoded: all that stands before the last reply is the prompt, and the two are cut once (LLaMA-Factory's
 * one-turn encoding).
 */
import { type ChatTemplate, concat } from './chat-template.ts';
import type { Example, Message } from './example.ts';
import { ignored } from './labels.ts';

export type OneTurn = {
  readonly prompt: Int32Array;
  readonly reply: Int32Array;
  /** As long as the reply; −100 for what follows its stop token. */
  readonly labels: Int32Array;
};

/** An example's prompt alone: the messages before its reply, where it has one. */
export type Prompt = Pick<Example, 'messages' | 'system' | 'tools' | 'place'>;

/** The reply to a prompt; an `efficient_eos` template's stop token ends it. */
export function oneTurn(template: ChatTemplate, prompt: Prompt, reply: Message): OneTurn {
  const { messages, system, tools, place } = prompt;
  const turns = template.encode({ messages: [...messages, reply], system, tools, place });
  const parts = turns.flatMap(({ source, target }) => [source, target]);
  const stop = template.efficientEos === undefined ? [] : [Int32Array.of(template.efficientEos)];
  const ids = concat([...parts.slice(-1), ...stop]);
  const labels = ids.slice();
  const last = turns.at(-1);
  if (last) labels.fill(ignored, last.learned, last.target.length);
  return { prompt: concat(parts.slice(0, -1)), reply: ids, labels };
}

export const countLearned = (labels: Int32Array): number =>
  labels.reduce((count, label) => (label === ignored ? count : count + 1), 0);
