/** @file What the forms that a template is exported in share: the text around a slot's content, and of its tokens. */
import type { Slot } from './template.ts';

export type Tokens = { readonly bos: string | undefined; readonly eos: string | undefined };

/** The text of a token; undefined where the tokenizer has none, or nothing is ever written. */
export const tokenText = (slot: Exclude<Slot, string>, tokens: Tokens): string | undefined => {
  if ('bos' in slot) return tokens.bos;
  return 'eos' in slot ? tokens.eos : undefined;
};

/** The text before the content and after it; nothing after where the slot has no content. */
export function splitSlot(slot: string): readonly [before: string, after: string | undefined] {
  const [before = '', after] = slot.split('{{content}}');
  return [before, after];
}
