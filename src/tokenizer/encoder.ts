/** @file Text to ids: added tokens, normalizer, pre-tokenizer, model, and the special tokens around. */
import { type AddedToken, createMatcher } from './added-tokens.ts';
import { createByteBpe } from './byte-bpe.ts';
import { byteOfToken } from './byte-fallback.ts';
import { createCharBpe } from './char-bpe.ts';
import type { Definition } from './definition.ts';
import { unsupportedModel } from './errors.ts';
import { type Aligned, compileNormalizer } from './normalizers.ts';
import { compilePostProcessor } from './post-processors.ts';
import { compilePreTokenizer } from './pre-tokenizers.ts';
import { createUnigram } from './unigram.ts';
import type { Vocabulary } from './vocabulary.ts';
import { createWordCache } from './word-cache.ts';
import { utf8Width, type WordModel } from './word-model.ts';

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

/** From units of a normalized text to units of the text as given. */
type Source = {
  readonly startOf: (unit: number) => number;
  readonly endOf: (unit: number) => number;
};
type Add = (id: number, start: number, end: number) => void;

/** Ids as they are found, in one buffer that grows. */
type Output = { ids: Int32Array; count: number };

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
  const { bytesOf } = vocabulary;

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
  const given = definition.model.unknown;
  const unknown = typeof given === 'string' ? vocabulary.model.get(given) : given;

  function reserve(output: Output, more: number): void {
    if (output.count + more <= output.ids.length) return;
    const ids = new Int32Array(Math.max(2 * output.ids.length, output.count + more));
    ids.set(output.ids.subarray(0, output.count));
    output.ids = ids;
  }

  function push(output: Output, from: Int32Array, first: number, count: number): void {
    reserve(output, count);
    const { ids } = output;
    let at = output.count;
    for (let i = first; i < first + count; i++) ids[at++] = from[i];
    output.count = at;
  }

  /** One pre-token, by the cache where it can. */
  function pushWord(output: Output, text: string, start: number, end: number): void {
    const entry = cache.find(text, start, end);
    if (entry >= 0) {
      push(output, cache.ids, cache.first[entry], cache.count[entry]);
      return;
    }
    const count = model.tokenize(text, start, end);
    const { symbols } = model.work;
    cache.keep(text, start, end, symbols, count);
    push(output, symbols, 0, count);
  }

  /** One pre-token, cut where the model allows it. */
  function pushPiece(output: Output, text: string): void {
    const { cut } = model;
    if (cut === undefined) {
      pushWord(output, text, 0, text.length);
      return;
    }
    for (let at = 0; at < text.length; ) {
      const next = cut(text, at, text.length);
      pushWord(output, text, at, next);
      at = next;
    }
  }

  /** A stretch of text without added tokens. */
  function pushText(output: Output, text: string, from: number, to: number, first: boolean): void {
    const { scan, split, splitBytes } = preTokenizer;
    if (scan !== undefined) {
      for (let at = from; at < to; ) {
        const next = scan(text, at, to);
        pushWord(output, text, at, next);
        at = next;
      }
      return;
    }
    for (const piece of split(text.slice(from, to), first)) {
      if (splitBytes === undefined) {
        pushPiece(output, piece.text);
        continue;
      }
      for (const chars of splitBytes(piece.text)) {
        const count = model.tokenizeBytes!(chars);
        push(output, model.work.symbols, 0, count);
      }
    }
  }

  /** Calls back for each stretch between added tokens, normalized, and for each added token. */
  function walk(
    text: string,
    parseSpecial: boolean,
    onToken: (token: AddedToken, start: number, end: number) => void,
    onText: (text: string, start: number, end: number, base: number, aligned?: Aligned) => void,
    withAlignment: boolean,
  ): void {
    for (const outer of byText(text, parseSpecial)) {
      if (outer.token) {
        onToken(outer.token, outer.start, outer.end);
        continue;
      }
      if (!normalizer && normalizedTokens.length === 0) {
        onText(text, outer.start, outer.end, 0);
        continue;
      }
      const part = text.slice(outer.start, outer.end);
      const aligned: Aligned = !normalizer
        ? { text: part }
        : withAlignment
          ? normalizer.align(part)
          : { text: normalizer.normalize(part) };
      for (const inner of byNormalizedText(aligned.text, parseSpecial)) {
        if (!inner.token) {
          onText(aligned.text, inner.start, inner.end, outer.start, aligned);
          continue;
        }
        const start = aligned.starts?.[inner.start] ?? inner.start;
        const end = aligned.ends?.[inner.end - 1] ?? inner.end;
        onToken(inner.token, outer.start + start, outer.start + end);
      }
    }
  }

  const output: Output = { ids: new Int32Array(1 << 12), count: 0 };

  /** Leaves the ids in `output`. */
  function run(
    given: string,
    { addSpecialTokens = false, parseSpecial = true }: EncodeOptions,
  ): void {
    // A lone surrogate is no character: UTF-8 has U+FFFD for it.
    const text = given.toWellFormed();
    output.count = 0;
    const before = Int32Array.from(addSpecialTokens ? wrapping.before : []);
    push(output, before, 0, before.length);
    const single = new Int32Array(1);
    walk(
      text,
      parseSpecial,
      (token) => {
        single[0] = token.id;
        push(output, single, 0, 1);
      },
      (part, start, end, base) => pushText(output, part, start, end, base + start === 0),
      false,
    );
    const after = Int32Array.from(addSpecialTokens ? wrapping.after : []);
    push(output, after, 0, after.length);
  }

  function encodeWithOffsets(given: string, options: EncodeOptions): EncodingWithOffsets {
    const { addSpecialTokens = false, parseSpecial = true } = options;
    const text = given.toWellFormed();
    const ids: number[] = [];
    const from: number[] = [];
    const to: number[] = [];
    const add: Add = (id, start, end) => {
      ids.push(id);
      from.push(start);
      to.push(end);
    };
    if (addSpecialTokens) for (const id of wrapping.before) add(id, 0, 0);
    walk(
      text,
      parseSpecial,
      (token, start, end) => add(token.id, start, end),
      (part, start, end, base, aligned) => {
        const source: Source = {
          startOf: (unit) =>
            base + (aligned?.starts?.[Math.max(unit, start)] ?? Math.max(unit, start)),
          endOf: (unit) =>
            base + (aligned?.ends?.[Math.max(unit, start)] ?? Math.max(unit, start) + 1),
        };
        const { scan, split } = preTokenizer;
        if (scan === undefined) {
          for (const piece of split(part.slice(start, end), base + start === 0)) {
            offsetsOfPiece(piece.text, start + piece.start, source, add);
          }
          return;
        }
        for (let at = start; at < end; ) {
          const next = scan(part, at, end);
          offsetsOfWord(part, at, next, 0, source, add);
          at = next;
        }
      },
      true,
    );
    if (addSpecialTokens) for (const id of wrapping.after) add(id, text.length, text.length);
    return { ids: Int32Array.from(ids), starts: Int32Array.from(from), ends: Int32Array.from(to) };
  }

  /** Ids of one pre-token on their way to offsets. */
  const word: Output = { ids: new Int32Array(64), count: 0 };

  /** A pre-token that stood at `at`. */
  function offsetsOfPiece(piece: string, at: number, source: Source, add: Add): void {
    const words = preTokenizer.splitBytes?.(piece);
    if (words !== undefined) {
      const found: number[] = [];
      const begins: number[] = [];
      let total = 0;
      for (const chars of words) {
        take(model.tokenizeBytes!(chars), total, found, begins);
        total += chars.length;
      }
      addByBytes(piece, 0, piece.length, at, found, begins, source, add);
      return;
    }
    const { cut } = model;
    for (let i = 0; i < piece.length; ) {
      const next = cut === undefined ? piece.length : cut(piece, i, piece.length);
      offsetsOfWord(piece, i, next, at, source, add);
      i = next;
    }
  }

  /** The tokens of `text[start … end)`, whose unit 0 stood at `at`. */
  function offsetsOfWord(
    text: string,
    start: number,
    end: number,
    at: number,
    source: Source,
    add: Add,
  ): void {
    // The fast way, by the cache: tokens that cover so many units each, one behind the other.
    word.count = 0;
    pushWord(word, text, start, end);
    const { ids, count } = word;
    if (covers(text, start, end)) {
      let unit = at + start;
      for (let i = 0; i < count; i++) {
        const next = unit + unitsOf(ids[i]);
        add(ids[i], source.startOf(unit), source.endOf(next - 1));
        unit = next;
      }
      return;
    }
    const found: number[] = [];
    const begins: number[] = [];
    take(model.tokenize(text, start, end), 0, found, begins);
    addByBytes(text, start, end, at, found, begins, source, add);
  }

  /** Whether the tokens in `word` cover a range unit by unit. */
  function covers(text: string, start: number, end: number): boolean {
    // Where tokens are bytes, a unit is one only in ASCII.
    if (preTokenizer.byteLevel) {
      for (let i = start; i < end; i++) if (text.charCodeAt(i) >= 0x80) return false;
    }
    let units = 0;
    for (let i = 0; i < word.count; i++) units += unitsOf(word.ids[i]);
    return units === end - start;
  }

  /** UTF-16 units that a token covers in a pre-token; NaN for tokens of bytes and for the unknown one. */
  function unitsOf(id: number): number {
    if (id === unknown) return Number.NaN;
    if (preTokenizer.byteLevel) return bytesOf(id)!.length;
    const token = vocabulary.tokenOf(id)!;
    return byteOfToken(token) === undefined ? token.length : Number.NaN;
  }

  /** Moves what the model found to lists. */
  function take(count: number, base: number, found: number[], begins: number[]): void {
    const { symbols, starts } = model.work;
    for (let i = 0; i < count; i++) {
      found.push(symbols[i]);
      begins.push(base + starts[i]);
    }
  }

  /** Each token with the characters that its bytes touch. */
  function addByBytes(
    text: string,
    start: number,
    end: number,
    at: number,
    found: readonly number[],
    begins: readonly number[],
    source: Source,
    add: Add,
  ): void {
    // First and last UTF-16 unit of the character that each byte is of.
    const firstUnit: number[] = [];
    const lastUnit: number[] = [];
    for (let i = start; i < end; ) {
      const code = text.codePointAt(i)!;
      const units = code > 0xffff ? 2 : 1;
      for (let byte = utf8Width(code); byte > 0; byte--) {
        firstUnit.push(at + i);
        lastUnit.push(at + i + units - 1);
      }
      i += units;
    }
    for (const [i, id] of found.entries()) {
      const stop = i + 1 < begins.length ? begins[i + 1] : firstUnit.length;
      add(id, source.startOf(firstUnit[begins[i]]), source.endOf(lastUnit[stop - 1]));
    }
  }

  return {
    encode(text, options) {
      run(text, options);
      return output.ids.slice(0, output.count);
    },
    count(text, options) {
      run(text, options);
      return output.count;
    },
    encodeWithOffsets,
  };
}
