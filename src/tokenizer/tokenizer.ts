/** @file The tokenizer: text to ids and back, exact against Hugging Face's Rust `tokenizers`. */
import { type AddedToken, withSpecialTokens } from './added-tokens.ts';
import { type Definition, digestOf, type SpecialRole } from './definition.ts';
import { createEncoder, type EncodeOptions, type EncodingWithOffsets } from './encoder.ts';
import { unknownToken } from './errors.ts';
import { createStreamDecoder, type StreamDecoder } from './stream-decoder.ts';
import { createVocabulary } from './vocabulary.ts';

export type { AddedToken } from './added-tokens.ts';
export type { Definition, SpecialRole } from './definition.ts';
export type { EncodeOptions, EncodingWithOffsets } from './encoder.ts';
export type { StreamDecoder } from './stream-decoder.ts';

export type DecodeOptions = {
  /** Leaves control tokens out. Default false. */
  readonly skipSpecialTokens?: boolean;
};

export type TokenRole = { readonly id: number; readonly token: string };

/** Never changes; `withTokens` gives another one. */
export type Tokenizer = {
  readonly encode: (text: string, options?: EncodeOptions) => Int32Array;
  readonly encodeWithOffsets: (text: string, options?: EncodeOptions) => EncodingWithOffsets;
  readonly countTokens: (text: string, options?: EncodeOptions) => number;
  /** Ids that mean nothing are left out; bytes that are no text become U+FFFD. */
  readonly decode: (ids: ArrayLike<number>, options?: DecodeOptions) => string;
  readonly streamDecoder: (options?: DecodeOptions) => StreamDecoder;
  /** One more than the largest id. A model's embedding may have more rows. */
  readonly vocabSize: number;
  readonly idOf: (token: string) => number | undefined;
  /** As the vocabulary spells it, in byte characters; added tokens as they are. */
  readonly tokenOf: (id: number) => string | undefined;
  /** The bytes that the token writes, which need not be whole characters; undefined where the id means nothing. */
  readonly bytesOf: (id: number) => Uint8Array | undefined;
  readonly isSpecial: (id: number) => boolean;
  readonly addedTokens: readonly AddedToken[];
  readonly bos: TokenRole | undefined;
  readonly eos: TokenRole | undefined;
  readonly pad: TokenRole | undefined;
  /** SHA-256 of all that decides ids and text. */
  readonly digest: string;
  /** With other special tokens, where a template knows better than the file. */
  readonly withTokens: (tokens: Readonly<Partial<Record<SpecialRole, string>>>) => Tokenizer;
  readonly definition: Definition;
};

export function createTokenizer(definition: Definition): Tokenizer {
  const vocabulary = createVocabulary(definition);
  const encoder = createEncoder(definition, vocabulary);
  const { idOf, tokenOf, isSpecial, bytesOf, size } = vocabulary;
  const shown = (skipSpecial: boolean) => (id: number) =>
    skipSpecial && isSpecial(id) ? undefined : bytesOf(id);

  const shared = {
    encode: (text, options = {}) => encoder.encode(text, options),
    encodeWithOffsets: (text, options = {}) => encoder.encodeWithOffsets(text, options),
    countTokens: (text, options = {}) => encoder.count(text, options),
    decode: (ids, { skipSpecialTokens = false } = {}) => decode(ids, shown(skipSpecialTokens)),
    streamDecoder: ({ skipSpecialTokens = false } = {}) =>
      createStreamDecoder(shown(skipSpecialTokens)),
    vocabSize: size,
    idOf,
    tokenOf,
    bytesOf,
    isSpecial,
    addedTokens: definition.added,
  } satisfies Partial<Tokenizer>;

  /** The maps and tables are shared; only the roles differ. */
  const withRoles = (given: Definition): Tokenizer => {
    const role = (name: SpecialRole): TokenRole | undefined => {
      const token = given.special[name];
      if (token === undefined) return undefined;
      const id = idOf(token);
      if (id === undefined) {
        throw unknownToken(
          token,
          name,
          definition.added.map(({ content }) => content),
        );
      }
      return { id, token };
    };
    let digest: string | undefined;
    return {
      ...shared,
      bos: role('bos'),
      eos: role('eos'),
      pad: role('pad'),
      get digest() {
        digest ??= digestOf(given);
        return digest;
      },
      withTokens(special) {
        const next = { ...given, special: { ...given.special, ...special } };
        const added = withSpecialTokens(next.added, Object.values(special), idOf);
        return added === next.added ? withRoles(next) : createTokenizer({ ...next, added });
      },
      definition: given,
    };
  };
  return withRoles(definition);
}

function decode(ids: ArrayLike<number>, bytesOf: (id: number) => Uint8Array | undefined): string {
  const parts: Uint8Array[] = [];
  for (let i = 0; i < ids.length; i++) {
    const part = bytesOf(ids[i]);
    if (part !== undefined) parts.push(part);
  }
  // Without ignoreBOM a U+FEFF at the start of the text would be lost.
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(parts));
}
