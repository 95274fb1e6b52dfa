/**
 * @file A conversation as one prompt with one reply, which is how preferences and prompts to be answered are
 * encoded: all that stands before the last reply is the prompt, and the two are cut once (LLaMA-Factory's
 * one-turn encoding).
 */
import { type ChatTemplate, concat } from './chat-template.ts';
import type { Example, Message } from './example.ts';
import { ignored, type Turn } from './labels.ts';
import type { Conversation } from './templates/render.ts';

export type OneTurn = {
  readonly prompt: Int32Array;
  readonly reply: Int32Array;
  /** As long as the reply; −100 for what follows its stop token. */
  readonly labels: Int32Array;
};

/** An example's prompt alone: the messages before its reply, where it has one. */
export type Prompt = Pick<Example, 'messages' | 'system' | 'namedSystem' | 'tools' | 'place'>;

/** The reply to a prompt; an `efficient_eos` template's stop token ends it. */
export function oneTurn(template: ChatTemplate, prompt: Prompt, reply: Message): OneTurn {
  const turn = lastTurn(template, { ...prompt, messages: [...prompt.messages, reply] });
  const stop = template.efficientEos === undefined ? [] : [Int32Array.of(template.efficientEos)];
  const ids = concat([turn.target, ...stop]);
  const labels = ids.slice();
  labels.fill(ignored, turn.learned, turn.target.length);
  return { prompt: turn.source, reply: ids, labels };
}

/** A named template has a way of its own to take thoughts out of what is history here. */
function lastTurn(template: ChatTemplate, conversation: Conversation): Turn {
  if (template.encodeOneTurn) return template.encodeOneTurn(conversation);
  const turns = template.encode(conversation);
  const parts = turns.flatMap(({ source, target }) => [source, target]);
  const { target = new Int32Array(0), learned = 0 } = turns.at(-1) ?? {};
  return { source: concat(parts.slice(0, -1)), target, learned };
}

export const countLearned = (labels: Int32Array): number =>
  labels.reduce((count, label) => (label === ignored ? count : count + 1), 0);
