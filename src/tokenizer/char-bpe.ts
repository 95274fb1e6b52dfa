/**
 * @file BPE over characters, with tokens of bytes for characters that the vocabulary lacks: SentencePiece's BPE, and
 * tokenizer.json's with `byte_fallback` (LLaMA 2, Mistral, Yi, Gemma).
 *
 * Such a pre-token is often a whole text. A merge joins the last character of one token with the first of the next, so
 * where no merge has such a pair the text can be cut, exactly: its parts are then short, and found in the cache.
 */
import { createBpe, NONE, pairTable } from './bpe.ts';
import { byteIds } from './byte-fallback.ts';
import type { BpeModel } from './definition.ts';
import type { Vocabulary } from './vocabulary.ts';
import { createWork, reserve, utf8Width, type WordModel } from './word-model.ts';

export function createCharBpe(settings: BpeModel, vocabulary: Vocabulary): WordModel {
  const { model, tokenOf } = vocabulary;
  const { fuseUnknown, ignoreMerges } = settings;
  const bpe = createBpe(settings.merges, settings.mergeResults, settings.ranks);
  const unknown = settings.unknown === undefined ? -1 : (model.get(settings.unknown) ?? -1);
  const ofBytes = settings.byteFallback ? byteIds(model) : undefined;
  const symbolOf = charTable(model);
  const frozen = frozenMatcher((settings.frozen ?? []).map((id) => tokenOf(id)!));
  const work = createWork();

  /** Every byte of the character has a token. */
  const fallsBack = (code: number): boolean => {
    if (ofBytes === undefined) return false;
    let all = true;
    eachByte(code, (byte) => {
      if (ofBytes[byte] < 0) all = false;
    });
    return all;
  };

  function tokenize(text: string, start: number, end: number): number {
    reserve(work, 3 * (end - start));
    const { symbols, starts } = work;
    const whole = ignoreMerges || frozen ? text.slice(start, end) : '';
    const id = ignoreMerges || frozen?.has(whole) ? model.get(whole) : undefined;
    if (id !== undefined) {
      symbols[0] = id;
      starts[0] = 0;
      return 1;
    }
    let count = 0;
    /** Where unknown characters began that have not been written yet, or -1. As in the library, bytes go before them. */
    let pending = -1;
    let at = 0;
    for (let i = start; i < end; ) {
      const code = text.codePointAt(i)!;
      const symbol = symbolOf(code);
      if (symbol >= 0) {
        if (pending >= 0) {
          symbols[count] = unknown;
          starts[count++] = pending;
          pending = -1;
        }
        symbols[count] = symbol;
        starts[count++] = at;
      } else if (fallsBack(code)) {
        const first = at;
        let offset = 0;
        eachByte(code, (byte) => {
          symbols[count] = ofBytes![byte];
          starts[count++] = first + offset++;
        });
      } else if (unknown >= 0) {
        if (pending >= 0 && !fuseUnknown) {
          symbols[count] = unknown;
          starts[count++] = pending;
          pending = at;
        } else if (pending < 0) pending = at;
      }
      at += utf8Width(code);
      i += code > 0xffff ? 2 : 1;
    }
    if (pending >= 0) {
      symbols[count] = unknown;
      starts[count++] = pending;
    }
    return bpe.merge(symbols, starts, count);
  }

  const joins = boundaryTest(settings, tokenOf, ofBytes, unknown);
  /** Whether anything may reach across the border before an unknown character or behind it. */
  const unknownJoins = joins.bytesMerge || ofBytes === undefined || ofBytes.includes(-1);

  function cut(text: string, from: number, end: number): number {
    const match = frozen?.longest(text, from, end) ?? from;
    if (match > from) return match;
    let before = text.codePointAt(from)!;
    let i = from + (before > 0xffff ? 2 : 1);
    while (i < end) {
      const code = text.codePointAt(i)!;
      if (!joins.across(before, code)) {
        if (!unknownJoins || (symbolOf(before) >= 0 && symbolOf(code) >= 0)) return i;
      }
      if (frozen !== undefined && frozen.longest(text, i, end) > i) return i;
      before = code;
      i += code > 0xffff ? 2 : 1;
    }
    return i;
  }

  // A whole pre-token of the vocabulary must be seen whole.
  return ignoreMerges ? { tokenize, work } : { tokenize, work, cut };
}

function eachByte(code: number, take: (byte: number) => void): void {
  const width = utf8Width(code);
  if (width === 1) {
    take(code);
    return;
  }
  take(((0xf00 >> width) & 0xff) | (code >> (6 * (width - 1))));
  for (let shift = 6 * (width - 2); shift >= 0; shift -= 6) take(0x80 | ((code >> shift) & 0x3f));
}

/** The token of a single character, or -1. */
function charTable(model: ReadonlyMap<string, number>): (code: number) => number {
  const low = new Int32Array(0x10000).fill(-1);
  const high = new Map<number, number>();
  for (const [token, id] of model) {
    if (token.length > 2 || token === '') continue;
    const code = token.codePointAt(0)!;
    if (token.length === 1) low[code] = id;
    else if (code > 0xffff) high.set(code, id);
  }
  return (code) => (code < 0x10000 ? low[code] : (high.get(code) ?? -1));
}

type Boundaries = {
  /** Whether some merge joins a token that ends in `before` with one that begins with `after`. */
  readonly across: (before: number, after: number) => boolean;
  /** Whether some merge takes a token of a byte, or the unknown one. */
  readonly bytesMerge: boolean;
};

/** Rows and columns of the table for the commonest characters: ASCII, and `▁`. */
const COMMON = 129;
const commonOf = (code: number): number => (code < 128 ? code : code === 0x2581 ? 128 : -1);

function boundaryTest(
  { merges }: BpeModel,
  tokenOf: (id: number) => string | undefined,
  ofBytes: Int32Array | undefined,
  unknown: number,
): Boundaries {
  const common = new Uint8Array(COMMON * COMMON);
  const rare = new Set<number>();
  const odd = new Set([unknown, ...(ofBytes ?? [])]);
  let bytesMerge = false;
  const lasts = new Map<number, number>();
  for (let i = 0; i < merges.length; i += 2) {
    const [left, right] = [merges[i], merges[i + 1]];
    if (odd.has(left) || odd.has(right)) bytesMerge = true;
    let before = lasts.get(left);
    if (before === undefined) {
      before = lastCodePoint(tokenOf(left)!);
      lasts.set(left, before);
    }
    const after = tokenOf(right)!.codePointAt(0)!;
    const [row, column] = [commonOf(before), commonOf(after)];
    if (row >= 0 && column >= 0) common[row * COMMON + column] = 1;
    else rare.add(before * 0x110000 + after);
  }
  const pairs = new Int32Array(2 * rare.size);
  let n = 0;
  for (const pair of rare) {
    pairs[n++] = Math.floor(pair / 0x110000);
    pairs[n++] = pair % 0x110000;
  }
  const table = pairTable(pairs);
  return {
    bytesMerge,
    across(before, after) {
      const [row, column] = [commonOf(before), commonOf(after)];
      if (row >= 0 && column >= 0) return common[row * COMMON + column] === 1;
      return table.find(before, after) !== NONE;
    },
  };
}

function lastCodePoint(text: string): number {
  const last = text.charCodeAt(text.length - 1);
  const pair = last >= 0xdc00 && last < 0xe000 && text.length > 1;
  return pair ? text.codePointAt(text.length - 2)! : last;
}

type Frozen = {
  /** The end of the longest of the tokens that stands at `from`, or `from`. */
  readonly longest: (text: string, from: number, end: number) => number;
  readonly has: (text: string) => boolean;
};

function frozenMatcher(tokens: readonly string[]): Frozen | undefined {
  if (tokens.length === 0) return undefined;
  const all = new Set(tokens);
  const byFirst = Map.groupBy(
    tokens.toSorted((a, b) => b.length - a.length),
    (token) => token.charCodeAt(0),
  );
  return {
    longest(text, from, end) {
      const found = byFirst
        .get(text.charCodeAt(from))
        ?.find((token) => from + token.length <= end && text.startsWith(token, from));
      return from + (found?.length ?? 0);
    },
    has: (text) => all.has(text),
  };
}
