/** @file The tokenizer: text to ids and back, exact against Hugging Face's Rust `tokenizers`. */
import { type AddedToken, withSpecialTokens } from './added-tokens.ts';
import { byteOfToken } from './byte-fallback.ts';
import { tokenBytes } from './byte-level.ts';
import { compileDecoder, isByteLevel } from './decoders.ts';
import { type Definition, digestOf, type SpecialRole } from './definition.ts';
import { createEncoder, type EncodeOptions, type EncodingWithOffsets } from './encoder.ts';
import { unknownToken } from './errors.ts';
import { byteStream, type StreamDecoder, tokenStream } from './stream-decoder.ts';
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

const utf8 = new TextEncoder();

/**
 * Runs a definition. It is plain data, which a worker thread can be sent: `createTokenizer(definition)` there is much
 * faster than to read the files again. `known` is the map of the definition's tokens, where the caller has it.
 */
export function createTokenizer(
  definition: Definition,
  known?: ReadonlyMap<string, number>,
): Tokenizer {
  const bytes = isByteLevel(definition.decoder);
  const decoder = compileDecoder(definition.decoder, definition.file);
  const vocabulary = createVocabulary(
    definition,
    bytes ? tokenBytes : (token) => bytesOfText(token, decoder.textOf),
    known,
  );
  const encoder = createEncoder(definition, vocabulary);
  const { idOf, tokenOf, isSpecial, bytesOf, size } = vocabulary;
  const stream = ({ skipSpecialTokens = false }: DecodeOptions = {}): StreamDecoder => {
    const shown =
      <T>(of: (id: number) => T | undefined) =>
      (id: number): T | undefined =>
        skipSpecialTokens && isSpecial(id) ? undefined : of(id);
    return bytes ? byteStream(shown(bytesOf)) : tokenStream(shown(tokenOf), decoder.start());
  };

  const shared = {
    encode: (text, options = {}) => encoder.encode(text, options),
    encodeWithOffsets: (text, options = {}) => encoder.encodeWithOffsets(text, options),
    countTokens: (text, options = {}) => encoder.count(text, options),
    decode: (ids, options) => {
      const { push, end } = stream(options);
      let text = '';
      for (let i = 0; i < ids.length; i++) text += push(ids[i]);
      return text + end();
    },
    streamDecoder: stream,
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

function bytesOfText(token: string, textOf: (token: string) => string): Uint8Array {
  const byte = byteOfToken(token);
  return byte === undefined ? utf8.encode(textOf(token)) : Uint8Array.of(byte);
}
