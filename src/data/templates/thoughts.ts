/**
 * @file Thoughts in a thinking template: which are taken out, and where an empty one is put (LLaMA-Factory's
 * `ReasoningTemplate`). What it does to a conversation as turns differs from what it does to one prompt with
 * its reply.
 */
import type { Message } from '../example.ts';
import type { NamedTemplate } from './template.ts';

export type ThinkingOptions = {
  /** `false` takes all thoughts out; `null` lets replies think or not, as the rows have it. */
  readonly enableThinking: boolean | null;
  /** Thoughts of earlier replies stay. */
  readonly preserveThinking: boolean;
  /** Only the last reply is learned, so that the thoughts before it are history. */
  readonly maskHistory: boolean;
};

/** A conversation as its template writes it. */
export type Thinking = {
  readonly messages: readonly Message[];
  /** Whether an empty thought belongs to this reply, by its index. */
  lacks(index: number): boolean;
  /** It ends the prompt, and is not learned; otherwise it begins the reply. */
  readonly inPrompt: boolean;
};

/** What a template that does not think makes of a conversation. */
export const asWritten = (messages: readonly Message[]): Thinking => ({
  messages,
  lacks: () => false,
  inPrompt: false,
});

export const emptyThought = ({ thinking, thoughtWords }: NamedTemplate): string =>
  thinking === 'closing-word' ? thoughtWords[1] : thoughtWords.join('');

/** Without the thoughts that stand between exactly these words, and the line breaks that then begin it. */
export function removeThoughts(content: string, [open, close]: readonly [string, string]): string {
  let rest = content;
  let kept = '';
  for (;;) {
    const from = rest.indexOf(open);
    const to = from < 0 ? -1 : rest.indexOf(close, from + open.length);
    if (to < 0) return (kept + rest).replace(/^\n+/, '');
    kept += rest.slice(0, from);
    rest = rest.slice(to + close.length);
  }
}

/** Turns of which all, or with `maskHistory` the last, are learned. */
export function thinkInTurns(
  template: NamedTemplate,
  messages: readonly Message[],
  options: ThinkingOptions,
): Thinking {
  const { enableThinking, preserveThinking, maskHistory } = options;
  const discards = maskHistory && !preserveThinking;
  const last = messages.length - 1;
  const without = (i: number): boolean => enableThinking === false || (discards && i < last - 1);
  return thinking(template, messages, without, (i) => !discards || i === last, options);
}

/** All that stands before the last message is its prompt. */
export function thinkInOneTurn(
  template: NamedTemplate,
  messages: readonly Message[],
  options: ThinkingOptions,
): Thinking {
  const last = messages.length - 1;
  const without = (i: number): boolean =>
    i === last ? options.enableThinking === false : !options.preserveThinking && i < last - 1;
  return thinking(template, messages, without, (i) => i === last, options);
}

function thinking(
  template: NamedTemplate,
  messages: readonly Message[],
  without: (index: number) => boolean,
  fills: (index: number) => boolean,
  { enableThinking }: ThinkingOptions,
): Thinking {
  const { thoughtWords } = template;
  const words = thoughtWords.map((word) => word.trim());
  const shown = messages.map((message, i) =>
    i % 2 === 1 && without(i)
      ? { ...message, content: removeThoughts(message.content, thoughtWords) }
      : message,
  );
  return {
    messages: shown,
    lacks: (i) => fills(i) && !words.some((word) => shown[i]?.content.includes(word)),
    inPrompt: enableThinking !== true,
  };
}
