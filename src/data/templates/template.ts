/**
 * @file Named chat templates: declarations of slots, with LLaMA-Factory's semantics. Each slot is
 * tokenized on its own, so where one ends and the next begins decides the ids.
 */
import type { ToolFormatName } from '../tool-formats/index.ts';

/** Text with `{{content}}` and `{{idx}}`, or one token of the vocabulary. */
export type Slot =
  | string
  | { readonly token: string }
  | { readonly bos: true }
  | { readonly eos: true };

export const bos: Slot = { bos: true };
export const eos: Slot = { eos: true };

export type NamedTemplate = {
  readonly name: string;
  /** Before everything, once. */
  readonly prefix: readonly Slot[];
  readonly system: readonly Slot[];
  readonly user: readonly Slot[];
  readonly assistant: readonly Slot[];
  readonly observation: readonly Slot[];
  /** Around the text of calls. */
  readonly function: readonly Slot[];
  readonly tools: ToolFormatName;
  readonly defaultSystem: string;
  readonly stopWords: readonly string[];
  /** Replies carry no stop token: it is learned on the token that begins the next turn. */
  readonly efficientEos: boolean;
  /** The first stop word becomes the tokenizer's end of text. */
  readonly replaceEos: boolean;
  /** The tokenizer's own Jinja template is replaced by this one on save. */
  readonly replaceJinja: boolean;
  /** What stands around thoughts in a reply. */
  readonly thoughtWords: readonly [string, string];
  readonly toolCallWords: readonly [string, string];
};

/** What a template file declares; the rest has LLaMA-Factory's defaults. */
export type Declaration = Pick<NamedTemplate, 'name'> & Partial<NamedTemplate>;

export function defineTemplate(declaration: Declaration): NamedTemplate {
  const { efficientEos = false } = declaration;
  const user = declaration.user ?? ['{{content}}'];
  const assistant =
    declaration.assistant ?? (efficientEos ? ['{{content}}'] : ['{{content}}', eos]);
  return {
    prefix: [],
    system: ['{{content}}'],
    observation: user,
    function: assistant,
    tools: 'default',
    defaultSystem: '',
    stopWords: [],
    replaceEos: false,
    replaceJinja: false,
    thoughtWords: ['<think>\n', '\n</think>\n\n'],
    toolCallWords: ['<tool_call>', '</tool_call>'],
    ...declaration,
    efficientEos,
    user,
    assistant,
  };
}
