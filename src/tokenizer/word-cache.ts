/** @file The tokens of pre-tokens met before, found by a range of the text without cutting a string out of it; bounded. */
import type { WordUnits } from './word-units.ts';

/** Longer pre-tokens are not kept. */
const LONGEST = 64;
const SLOTS = 1 << 17;
/** One less than 16 bits tell apart: the last means an empty slot. */
const WORDS = 0xffff;
const EMPTY = WORDS;
const CHARS = 1 << 20;
const IDS = 1 << 19;

export type WordCache = {
  /** The entry of `text[start … end)`, or -1. */
  readonly find: (text: Uint16Array, start: number, end: number) => number;
  /** Whether a range of so many units is kept at all. */
  readonly keeps: (length: number) => boolean;
  /** Keeps tokens for the range that `find` was last asked for and did not have. */
  readonly keep: (
    text: Uint16Array,
    start: number,
    end: number,
    ids: Int32Array,
    units: WordUnits,
    count: number,
  ) => void;
  /** Where an entry's tokens lie in the arrays below, and how many. */
  readonly firstOf: (entry: number) => number;
  readonly countOf: (entry: number) => number;
  readonly ids: Int32Array;
  /** Units from the range's start. */
  readonly starts: Uint8Array;
  readonly ends: Uint8Array;
};

/** Numbers of an entry, side by side: each look-up brings one line of them into the processor's cache. */
const FIELDS = 4;
const HASH = 0;
const CHARS_AT = 1;
const FIRST = 2;
/** The length in the low 8 bits, the count of tokens above. */
const SIZES = 3;

/** When any part is full, all is forgotten: cheaper than an order of use, and a text refills it in no time. */
export function createWordCache(): WordCache {
  const slots = new Uint16Array(SLOTS).fill(EMPTY);
  const entries = new Int32Array(WORDS * FIELDS);
  const chars = new Uint16Array(CHARS);
  const ids = new Int32Array(IDS);
  const starts = new Uint8Array(IDS);
  const ends = new Uint8Array(IDS);
  let words = 0;
  let charsUsed = 0;
  let idsUsed = 0;
  /** Left behind by `find` for `keep`. */
  let lastHash = 0;
  let lastSlot = 0;

  return {
    firstOf: (entry) => entries[entry * FIELDS + FIRST],
    countOf: (entry) => entries[entry * FIELDS + SIZES] >> 8,
    ids,
    starts,
    ends,
    keeps: (length) => length <= LONGEST,

    find(text, start, end) {
      const length = end - start;
      if (length > LONGEST) return -1;
      let hash = length;
      for (let i = start; i < end; i++) hash = Math.imul(hash ^ text[i], 0x01000193);
      hash ^= hash >>> 15;
      let slot = hash & (SLOTS - 1);
      for (;;) {
        const word = slots[slot];
        if (word === EMPTY) break;
        const entry = word * FIELDS;
        if (entries[entry + HASH] === hash && (entries[entry + SIZES] & 0xff) === length) {
          const at = entries[entry + CHARS_AT] - start;
          let i = start;
          while (i < end && chars[at + i] === text[i]) i++;
          if (i === end) return word;
        }
        slot = (slot + 1) & (SLOTS - 1);
      }
      lastHash = hash;
      lastSlot = slot;
      return -1;
    },

    keep(text, start, end, found, units, size) {
      const length = end - start;
      if (length > LONGEST) return;
      if (words === WORDS || charsUsed + length > CHARS || idsUsed + size > IDS) {
        slots.fill(EMPTY);
        words = 0;
        charsUsed = 0;
        idsUsed = 0;
        lastSlot = lastHash & (SLOTS - 1);
      }
      slots[lastSlot] = words;
      const entry = words * FIELDS;
      entries[entry + HASH] = lastHash;
      entries[entry + CHARS_AT] = charsUsed;
      entries[entry + FIRST] = idsUsed;
      entries[entry + SIZES] = length | (size << 8);
      for (let i = start; i < end; i++) chars[charsUsed++] = text[i];
      for (let i = 0; i < size; i++) {
        starts[idsUsed] = units.starts[i];
        ends[idsUsed] = units.ends[i];
        ids[idsUsed++] = found[i];
      }
      words++;
    },
  };
}
