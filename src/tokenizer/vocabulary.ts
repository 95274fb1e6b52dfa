/** @file The tokens of a tokenizer: id to text, text to id, and the bytes that each stands for. */
import type { AddedToken } from './added-tokens.ts';
import type { Definition } from './definition.ts';

export type Vocabulary = {
  /** Of the model alone; in byte characters where it is byte level. */
  readonly model: ReadonlyMap<string, number>;
  readonly size: number;
  readonly idOf: (token: string) => number | undefined;
  readonly tokenOf: (id: number) => string | undefined;
  /** The bytes that a token stands for inside a text. */
  readonly bytesOf: (id: number) => Uint8Array | undefined;
  readonly isSpecial: (id: number) => boolean;
};

const utf8 = new TextEncoder();

/**
 * `bytesOfToken` reads a token of the model; an added one stands for its own text. `known` is the map of the model's
 * tokens, where the caller has it already.
 */
export function createVocabulary(
  { tokens, added }: Definition,
  bytesOfToken: (token: string) => Uint8Array,
  known?: ReadonlyMap<string, number>,
): Vocabulary {
  const model = known ?? idsOf(tokens);
  const byId = new Map<number, AddedToken>(added.map((token) => [token.id, token]));
  const byText = new Map(added.map((token) => [token.content, token.id]));
  /** Made when first asked for. */
  const bytes: (Uint8Array | undefined)[] = [];

  return {
    model,
    size: added.reduce((size, { id }) => Math.max(size, id + 1), tokens.length),
    idOf: (token) => byText.get(token) ?? model.get(token),
    tokenOf: (id) => byId.get(id)?.content ?? tokens[id],
    isSpecial: (id) => byId.get(id)?.special ?? false,
    bytesOf(id) {
      const found = bytes[id];
      if (found !== undefined) return found;
      const token = byId.get(id);
      const text = tokens[id];
      if (token !== undefined) bytes[id] = utf8.encode(token.content);
      else if (text !== undefined) bytes[id] = bytesOfToken(text);
      return bytes[id];
    },
  };
}

function idsOf(tokens: Definition['tokens']): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  for (let id = 0; id < tokens.length; id++) {
    const token = tokens[id];
    if (token !== undefined) ids.set(token, id);
  }
  return ids;
}
