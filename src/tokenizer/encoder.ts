/** @file Text to ids: added tokens, normalizer, pre-tokenizer, model, and the special tokens around. */
import { createMatcher } from './added-tokens.ts';
import { createByteBpe } from './byte-bpe.ts';
import { createCharBpe } from './char-bpe.ts';
import type { Definition } from './definition.ts';
import { unsupportedModel } from './errors.ts';
import { type Aligned, compileNormalizer } from './normalizers.ts';
import { compilePostProcessor } from './post-processors.ts';
import { compilePreTokenizer, type Piece } from './pre-tokenizers.ts';
import { createTextCodes } from './text-codes.ts';
import { addIds, addToken, createTokenList, extend } from './token-list.ts';
import { createUnigram } from './unigram.ts';
import type { Vocabulary } from './vocabulary.ts';
import { createWordCache } from './word-cache.ts';
import type { WordModel } from './word-model.ts';
import { createWordUnits, findUnits } from './word-units.ts';

export type EncodeOptions = {
  /** Puts what the post-processor asks for around the text, as a BOS. Default false: templates write their own. */
  readonly addSpecialTokens?: boolean;
  /** Special tokens that are spelled out in the text become their ids. Default true. */
  readonly parseSpecial?: boolean;
};

export type EncodingWithOffsets = {
  readonly ids: Int32Array;
  /**
   * Token i came of `text.slice(starts[i], ends[i])`, in UTF-16 units. Tokens that are parts of one character all
   * cover it; white space belongs to the token that holds it (`trim_offsets` is not applied). A token that was
   * added covers nothing.
   */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
};

function createModel(
  { model, file }: Definition,
  vocabulary: Vocabulary,
  byteLevel: boolean,
): WordModel {
  if (model.type === 'bpe') {
    return byteLevel ? createByteBpe(model, vocabulary) : createCharBpe(model, vocabulary);
  }
  if (byteLevel) throw unsupportedModel(file, 'Unigram over bytes');
  return createUnigram(model, vocabulary, file);
}

export type Encoder = {
  readonly encode: (text: string, options: EncodeOptions) => Int32Array;
  readonly count: (text: string, options: EncodeOptions) => number;
  readonly encodeWithOffsets: (text: string, options: EncodeOptions) => EncodingWithOffsets;
};

export function createEncoder(definition: Definition, vocabulary: Vocabulary): Encoder {
  const { file, added } = definition;
  const normalizer = definition.normalizer && compileNormalizer(definition.normalizer, file);
  const preTokenizer = compilePreTokenizer(definition.preTokenizer, file);
  const wrapping = compilePostProcessor(definition.postProcessor, file);
  const byText = createMatcher(
    added.filter(({ normalized }) => !normalized).map((token) => [token.content, token]),
  );
  const normalizedTokens = added.filter(({ normalized }) => normalized);
  const byNormalizedText = createMatcher(
    normalizedTokens.map((token) => [normalizer?.normalize(token.content) ?? token.content, token]),
  );

  const model = createModel(definition, vocabulary, preTokenizer.byteLevel);
  const cache = createWordCache();
  const codesOf = createTextCodes();
  const units = createWordUnits();
  const list = createTokenList();
  /** Whether this text's offsets are asked for. */
  let withUnits = false;

  /** Tokens of a pre-token whose first unit is `at` of the text that is being cut. */
  function addWord(
    ids: Int32Array,
    starts: ArrayLike<number>,
    ends: ArrayLike<number>,
    first: number,
    count: number,
    at: number,
  ): void {
    if (withUnits) {
      extend(list, count);
      for (let i = 0; i < count; i++) {
        list.starts[list.count + i] = at + starts[first + i];
        list.ends[list.count + i] = at + ends[first + i];
      }
    }
    addIds(list, ids, first, count);
  }

  /**
   * The pre-token `text[start … end)`, by the cache where it can; unit 0 of `text` is `at` of what is being cut.
   * `codes` are the text's.
   */
  function pushWord(
    text: string,
    codes: Uint16Array,
    start: number,
    end: number,
    at: number,
  ): void {
    const entry = cache.find(codes, start, end);
    if (entry >= 0) {
      const { ids, starts, ends } = cache;
      addWord(ids, starts, ends, cache.firstOf(entry), cache.countOf(entry), at + start);
      return;
    }
    const count = model.tokenize(text, start, end);
    const { symbols, starts } = model.work;
    if (withUnits || cache.keeps(end - start)) findUnits(units, text, start, end, starts, count);
    cache.keep(codes, start, end, symbols, units, count);
    addWord(symbols, units.starts, units.ends, 0, count, at + start);
  }

  /** One pre-token, cut where the model allows it. */
  function pushPiece({ text, start }: Piece): void {
    const { splitBytes } = preTokenizer;
    if (splitBytes !== undefined) {
      pushBytes(text, splitBytes(text), start);
      return;
    }
    const { cut } = model;
    const codes = codesOf(text);
    for (let at = 0; at < text.length; ) {
      const next = cut === undefined ? text.length : cut(text, at, text.length);
      pushWord(text, codes, at, next, start);
      at = next;
    }
  }

  /** A pre-token that is cut once more as bytes. */
  function pushBytes(text: string, words: readonly string[], at: number): void {
    const before = list.count;
    const bytes: number[] = [];
    let total = 0;
    for (const chars of words) {
      const count = model.tokenizeBytes!(chars);
      const { symbols, starts } = model.work;
      for (let i = 0; i < count; i++) bytes.push(total + starts[i]);
      addIds(list, symbols, 0, count);
      total += chars.length;
    }
    if (!withUnits) return;
    findUnits(units, text, 0, text.length, Int32Array.from(bytes), bytes.length);
    for (let i = 0; i < bytes.length; i++) {
      list.starts[before + i] = at + units.starts[i];
      list.ends[before + i] = at + units.ends[i];
    }
  }

  /** A stretch of text without added tokens; `first` says that nothing stands before it. */
  function pushText(text: string, from: number, to: number, first: boolean): void {
    const { scan, split } = preTokenizer;
    if (scan !== undefined) {
      const codes = codesOf(text);
      for (let at = from; at < to; ) {
        const next = scan(codes, at, to);
        pushWord(text, codes, at, next, 0);
        at = next;
      }
      return;
    }
    for (const piece of split(text.slice(from, to), first)) {
      pushPiece({ text: piece.text, start: from + piece.start });
    }
  }

  /** From units of a normalized text to units of the text as given, for the tokens from `before` on. */
  function place(before: number, from: number, base: number, aligned: Aligned | undefined): void {
    const { starts, ends } = list;
    for (let i = before; i < list.count; i++) {
      // What was put before the text stands where the text begins.
      const start = Math.max(starts[i], from);
      const last = Math.max(ends[i] - 1, from);
      starts[i] = base + (aligned?.starts?.[start] ?? start);
      ends[i] = base + (aligned?.ends?.[last] ?? last + 1);
    }
  }

  function pushNormalized(
    text: string,
    from: number,
    to: number,
    base: number,
    aligned?: Aligned,
  ): void {
    const before = list.count;
    pushText(text, from, to, base + from === 0);
    if (withUnits) place(before, from, base, aligned);
  }

  /** A stretch between the tokens that are looked for in the text as given. */
  function pushGiven(text: string, start: number, end: number, parseSpecial: boolean): void {
    if (!normalizer && normalizedTokens.length === 0) {
      pushNormalized(text, start, end, 0);
      return;
    }
    const part = text.slice(start, end);
    const aligned: Aligned = !normalizer
      ? { text: part }
      : withUnits
        ? normalizer.align(part)
        : { text: normalizer.normalize(part) };
    for (const inner of byNormalizedText(aligned.text, parseSpecial)) {
      if (!inner.token) {
        pushNormalized(aligned.text, inner.start, inner.end, start, aligned);
        continue;
      }
      const first = aligned.starts?.[inner.start] ?? inner.start;
      const last = aligned.ends?.[inner.end - 1] ?? inner.end;
      addToken(list, inner.token.id, start + first, start + last);
    }
  }

  /** Leaves the tokens in `list`. */
  function run(
    given: string,
    { addSpecialTokens = false, parseSpecial = true }: EncodeOptions,
    offsets: boolean,
  ): void {
    // A lone surrogate is no character: UTF-8 has U+FFFD for it.
    const text = given.toWellFormed();
    withUnits = offsets;
    list.count = 0;
    if (addSpecialTokens) for (const id of wrapping.before) addToken(list, id, 0, 0);
    for (const { token, start, end } of byText(text, parseSpecial)) {
      if (token) addToken(list, token.id, start, end);
      else pushGiven(text, start, end, parseSpecial);
    }
    const { length } = text;
    if (addSpecialTokens) for (const id of wrapping.after) addToken(list, id, length, length);
  }

  return {
    encode(text, options) {
      run(text, options, false);
      return list.ids.slice(0, list.count);
    },
    count(text, options) {
      run(text, options, false);
      return list.count;
    },
    encodeWithOffsets(text, options) {
      run(text, options, true);
      const { ids, starts, ends, count } = list;
      return {
        ids: ids.slice(0, count),
        starts: starts.slice(0, count),
        ends: ends.slice(0, count),
      };
    },
  };
}
