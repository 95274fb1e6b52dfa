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
  | { readonly eos: true }
  /** A word that LLaMA-Factory takes for a kind of token, knows nothing of, and leaves out. */
  | { readonly unwritten: string };

export const bos: Slot = { bos: true };
export const eos: Slot = { eos: true };
export const token = (text: string): Slot => ({ token: text });

export type NamedTemplate = {
  readonly name: string;
  /** LLaMA-Factory took it out in January 2026; it is kept for the models that still need it. */
  readonly legacy: boolean;
  /** Before everything, once. */
  readonly prefix: readonly Slot[];
  readonly system: readonly Slot[];
  /** `own` stands before the first turn; `user` goes into the first user's turn, before its text. */
  readonly systemPlace: 'own' | 'user';
  readonly user: readonly Slot[];
  readonly assistant: readonly Slot[];
  readonly observation: readonly Slot[];
  /** Around the text of calls. */
  readonly function: readonly Slot[];
  readonly tools: ToolFormatName;
  /** Where the tools' JSON goes as the row has it, in place of a description in the tool format. */
  readonly toolsText: string | undefined;
  /** Tools without system text begin without the line breaks that part the two. */
  readonly trimsLoneTools: boolean;
  readonly defaultSystem: string;
  readonly stopWords: readonly string[];
  /** Replies carry no stop token: it is learned on the token that begins the next turn. */
  readonly efficientEos: boolean;
  /** The first stop word becomes the tokenizer's end of text. */
  readonly replaceEos: boolean;
  /** The tokenizer's own Jinja template is replaced by this one on save. */
  readonly replaceJinja: boolean;
  /** Whether replies think first; where one does not, an empty thought is both words or the closing one. */
  readonly thinking: 'never' | 'both-words' | 'closing-word';
  /** What stands around thoughts in a reply. */
  readonly thoughtWords: readonly [string, string];
  readonly toolCallWords: readonly [string, string];
  /** How LLaMA-Factory names the reader of its images, videos and sounds; text alone is rendered here. */
  readonly media: string | undefined;
};

/** What a template file declares; the rest has LLaMA-Factory's defaults. */
export type Declaration = Pick<NamedTemplate, 'name'> & Partial<NamedTemplate>;

export function defineTemplate(declaration: Declaration): NamedTemplate {
  const { efficientEos = false } = declaration;
  const user = declaration.user ?? ['{{content}}'];
  const assistant =
    declaration.assistant ?? (efficientEos ? ['{{content}}'] : ['{{content}}', eos]);
  return {
    legacy: false,
    prefix: [],
    system: ['{{content}}'],
    systemPlace: 'own',
    observation: user,
    function: assistant,
    tools: 'default',
    toolsText: undefined,
    trimsLoneTools: false,
    defaultSystem: '',
    stopWords: [],
    replaceEos: false,
    replaceJinja: false,
    thinking: 'never',
    thoughtWords: ['<think>\n', '\n</think>\n\n'],
    toolCallWords: ['<tool_call>', '</tool_call>'],
    media: undefined,
    ...declaration,
    efficientEos,
    user,
    assistant,
  };
}
