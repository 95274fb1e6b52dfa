/**
 * @file What can be wrong with a chat template and its tokenizer before any row is read: tokens that
 * differ from the model's own template, a start token twice, stop tokens that nobody learns or knows.
 */
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ChatTemplate } from './chat-template.ts';
import type { Conversation } from './templates/render.ts';
import type { Warning } from './warning.ts';

export type Severity = 'error' | 'warning' | 'note';

export type TemplateFinding = Warning & { readonly severity: Severity };

export type TemplateFacts = {
  /** The template of the run, and the tokenizer with the special tokens that it asks for. */
  readonly template: ChatTemplate;
  readonly tokenizer: Tokenizer;
  /** The model's own template, where the run has a named one; undefined where there is none to compare with. */
  readonly own?: ChatTemplate | undefined;
  /** Ids at which the model's generation config says that a reply ends; empty where it has none. */
  readonly generationStopIds: readonly number[];
};

/** All that can be said of a template without a row. */
export function checkTemplate(_facts: TemplateFacts): readonly TemplateFinding[] {
  return [];
}

/**
 * Finds control tokens of the template or the vocabulary in a row's own text. Make one for a run, and call it for each row:
 * places are those of the conversation, with the message as key (`messages[2].content`).
 */
export function contentChecker(
  _tokenizer: Tokenizer,
): (conversation: Conversation) => readonly TemplateFinding[] {
  return () => [];
}
