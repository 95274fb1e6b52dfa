/** @file Unigram: the likeliest split of a text into tokens (Kudo 2018, arXiv:1804.10959), found by Viterbi's algorithm. */
import { byteIds } from './byte-fallback.ts';
import type { UnigramModel } from './definition.ts';
import { noUnknown } from './errors.ts';
import { createTokenTrie } from './token-trie.ts';
import type { Vocabulary } from './vocabulary.ts';
import { createWork, reserve, utf8Length, utf8Width, type WordModel } from './word-model.ts';

const utf8 = new TextEncoder();

/** How much less likely than the least likely token an unknown character is. */
const UNKNOWN_PENALTY = 10;

/** `file` is what an error names. */
export function createUnigram(
  settings: UnigramModel,
  { model }: Vocabulary,
  file: string,
): WordModel {
  const { scores, userDefined } = settings;
  // SentencePiece keeps sums in single precision; the library does not.
  const round: (sum: number) => number = userDefined ? Math.fround : (sum) => sum;
  const bonus = new Set(userDefined);
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  const trie = createTokenTrie();
  for (const [token, id] of model) {
    if (Number.isNaN(scores[id]) || token === '') continue;
    trie.add(token, id);
    if (bonus.has(id)) continue;
    lowest = Math.min(lowest, scores[id]);
    highest = Math.max(highest, scores[id]);
  }
  const unknown = settings.unknown ?? -1;
  const unknownScore = round(lowest - UNKNOWN_PENALTY);
  const ofBytes = settings.byteFallback ? byteIds(model) : undefined;

  const work = createWork();
  let best = new Float64Array(1 << 10);
  let from = new Int32Array(1 << 10);
  let token = new Int32Array(1 << 10);

  /** Fills the tables: the best way to each unit of the text. */
  function search(text: string, start: number, end: number): void {
    const length = end - start;
    if (best.length <= length) {
      best = new Float64Array(2 * length);
      from = new Int32Array(2 * length);
      token = new Int32Array(2 * length);
    }
    best.fill(0, 0, length + 1);
    from.fill(-1, 0, length + 1);
    for (let i = 0; i < length; ) {
      const code = text.codePointAt(start + i)!;
      const single = i + (code > 0xffff ? 2 : 1);
      const base = best[i];
      let hasSingle = false;
      let bytes = 0;
      let node = 0;
      for (let j = i; j < length; ) {
        const unit = text.charCodeAt(start + j);
        node = trie.step(node, unit);
        if (node < 0) break;
        // A surrogate is half of four bytes.
        bytes += unit >= 0xd800 && unit < 0xe000 ? 2 : utf8Width(unit);
        j++;
        const id = trie.tokenAt(node);
        if (id < 0) continue;
        const sum = round(base + (bonus.has(id) ? bytes * highest - 0.1 : scores[id]));
        if (from[j] < 0 || sum > best[j]) {
          best[j] = sum;
          from[j] = i;
          token[j] = id;
        }
        if (j === single) hasSingle = true;
      }
      if (!hasSingle) {
        const sum = round(base + unknownScore);
        if (from[single] < 0 || sum > best[single]) {
          best[single] = sum;
          from[single] = i;
          token[single] = unknown;
        }
      }
      i = single;
    }
  }

  /** Writes one unknown run from symbol `count` on: its bytes where all have tokens, else the unknown token. */
  function writeUnknown(
    text: string,
    from: number,
    to: number,
    byte: number,
    count: number,
  ): number {
    const { symbols, starts } = work;
    const run = text.slice(from, to);
    // The library looks the run up once more: the unknown token itself may be spelled out.
    const known = userDefined ? undefined : model.get(run);
    if (ofBytes !== undefined && known === undefined) {
      const bytes = utf8.encode(run);
      if (bytes.every((one) => ofBytes[one] >= 0)) {
        for (const [i, one] of bytes.entries()) {
          symbols[count + i] = ofBytes[one];
          starts[count + i] = byte + i;
        }
        return bytes.length;
      }
    }
    if (unknown < 0) throw noUnknown(file);
    symbols[count] = known ?? unknown;
    starts[count] = byte;
    return 1;
  }

  function tokenize(text: string, start: number, end: number): number {
    search(text, start, end);
    reserve(work, 3 * (end - start));
    const ends: number[] = [];
    for (let at = end - start; at > 0; at = from[at]) ends.push(start + at);
    let count = 0;
    let byte = 0;
    let at = start;
    for (let n = ends.length - 1; n >= 0; n--) {
      const id = token[ends[n] - start];
      if (id === unknown) {
        while (n > 0 && token[ends[n - 1] - start] === unknown) n--;
        count += writeUnknown(text, at, ends[n], byte, count);
      } else {
        work.symbols[count] = id;
        work.starts[count++] = byte;
      }
      byte += utf8Length(text, at, ends[n]);
      at = ends[n];
    }
    return count;
  }

  return { tokenize, work };
}
