/** @file The characters that each token of a pre-token touches, in UTF-16 units. */
import { utf8Width } from './word-model.ts';

export type WordUnits = {
  /** First unit of each token, counted from the pre-token's start; and the one behind its last. */
  starts: Int32Array;
  ends: Int32Array;
};

export const createWordUnits = (): WordUnits => ({
  starts: new Int32Array(1 << 10),
  ends: new Int32Array(1 << 10),
});

/** From the byte of `text[start … end)` at which each of `count` tokens begins. A part of a character is all of it. */
export function findUnits(
  units: WordUnits,
  text: string,
  start: number,
  end: number,
  bytes: Int32Array,
  count: number,
): void {
  if (units.starts.length < count) {
    units.starts = new Int32Array(2 * count);
    units.ends = new Int32Array(2 * count);
  }
  const { starts, ends } = units;
  // The character that the token's first byte is of; behind it none of the token's bytes is looked at twice.
  let unit = start;
  let byte = 0;
  for (let i = 0; i < count; i++) {
    const stop = i + 1 < count ? bytes[i + 1] : Number.POSITIVE_INFINITY;
    let code = text.codePointAt(unit)!;
    while (byte + utf8Width(code) <= bytes[i]) {
      byte += utf8Width(code);
      unit += code > 0xffff ? 2 : 1;
      code = text.codePointAt(unit)!;
    }
    starts[i] = unit - start;
    // The character that its last byte is of: the next token may begin in it too.
    while (byte + utf8Width(code) < stop) {
      const next = unit + (code > 0xffff ? 2 : 1);
      if (next >= end) break;
      byte += utf8Width(code);
      unit = next;
      code = text.codePointAt(unit)!;
    }
    ends[i] = unit - start + (code > 0xffff ? 2 : 1);
  }
}
