/**
 * @file The common pre-tokenizer patterns as hand-written scanners: several times as fast as their regular expressions,
 * which stay in pre-tokenizers.ts as specification and oracle (`scanners.test.ts`).
 */
import { classOf, LETTER, NEWLINE, NUMBER, OTHER, SPACE } from './unicode.ts';

/** Where the pre-token that begins at `at` ends, in UTF-16 units; nothing from `end` on is looked at. */
export type Scanner = (text: Uint16Array, at: number, end: number) => number;

/** Classes of the first 128 code points: most of most texts. */
const ascii = Uint8Array.from({ length: 128 }, (_, code) => classOf(code));

/** The character of a surrogate pair; half of one does not come here. */
const pairAt = (text: Uint16Array, at: number): number =>
  0x10000 + ((text[at] - 0xd800) << 10) + (text[at + 1] - 0xdc00);

function classAt(text: Uint16Array, at: number, end: number): number {
  if (at >= end) return -1;
  const code = text[at];
  if (code < 128) return ascii[code];
  if (code >= 0xd800 && code < 0xdc00) return classOf(pairAt(text, at));
  return classOf(code);
}

/** UTF-16 units of the character at `at`. */
function widthAt(text: Uint16Array, at: number): number {
  const code = text[at];
  return code >= 0xd800 && code < 0xdc00 ? 2 : 1;
}

/** The end of the run of one class from `at` on. */
function run(kind: number, text: Uint16Array, at: number, end: number): number {
  let i = at;
  while (i < end) {
    const code = text[i];
    if (code < 128) {
      if (ascii[code] !== kind) return i;
      i++;
    } else if (code >= 0xd800 && code < 0xdc00) {
      if (classOf(pairAt(text, i)) !== kind) return i;
      i += 2;
    } else {
      if (classOf(code) !== kind) return i;
      i++;
    }
  }
  return i;
}

/** The end of the run of spaces and newlines. */
function spaces(text: Uint16Array, at: number, end: number): number {
  let i = at;
  while (i < end) {
    const kind = classAt(text, i, end);
    if (kind !== SPACE && kind !== NEWLINE) break;
    i++;
  }
  return i;
}

const APOSTROPHE = 0x27;
const BLANK = 0x20;

/** The end of `'s 't 're 've 'm 'll 'd` at `at`, or `at`; `fold` takes capitals and the long s too. */
function contraction(text: Uint16Array, at: number, end: number, fold: boolean): number {
  if (at + 1 >= end) return at;
  let first = text[at + 1];
  if (fold && first === 0x17f) first = 0x73;
  if (fold && first < 128) first |= 0x20;
  if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) return at + 2;
  if (at + 2 >= end) return at;
  let second = text[at + 2];
  if (fold && second < 128) second |= 0x20;
  if ((first === 0x72 || first === 0x76) && second === 0x65) return at + 3;
  return first === 0x6c && second === 0x6c ? at + 3 : at;
}

/** GPT-2's pattern; `singleDigits` is a `Digits(individual_digits)` before it (SmolLM, StarCoder). */
export const gpt2Scanner =
  (singleDigits: boolean): Scanner =>
  (text, at, end) => {
    const code = text[at];
    if (code === APOSTROPHE) {
      const after = contraction(text, at, end, false);
      if (after > at) return after;
    }
    const first = code === BLANK ? at + 1 : at;
    const kind = classAt(text, first, end);
    if (kind === LETTER || kind === OTHER) return run(kind, text, first, end);
    if (kind === NUMBER && !singleDigits) return run(NUMBER, text, first, end);
    if (kind === NUMBER && first === at) return at + widthAt(text, at);
    const stop = spaces(text, at, end);
    const atEnd = stop === end || (singleDigits && classAt(text, stop, end) === NUMBER);
    return atEnd || stop === at + 1 ? stop : stop - 1;
  };

/** The pattern of LLaMA 3 (numbers by up to 3 digits) and of Qwen 2 (by 1). */
export const llama3Scanner =
  (digits: number): Scanner =>
  (text, at, end) => {
    const code = text[at];
    if (code === APOSTROPHE) {
      const after = contraction(text, at, end, true);
      if (after > at) return after;
    }
    const kind = classAt(text, at, end);
    if (kind === LETTER) return run(LETTER, text, at, end);
    if (kind === NUMBER) {
      let i = at;
      for (let n = 0; n < digits && classAt(text, i, end) === NUMBER; n++) i += widthAt(text, i);
      return i;
    }
    if (kind !== NEWLINE) {
      const next = at + widthAt(text, at);
      if (classAt(text, next, end) === LETTER) return run(LETTER, text, next, end);
    }
    const first = code === BLANK ? at + 1 : at;
    if (classAt(text, first, end) === OTHER) {
      return run(NEWLINE, text, run(OTHER, text, first, end), end);
    }
    const stop = spaces(text, at, end);
    for (let i = stop; i > at; i--) {
      if (classAt(text, i - 1, end) === NEWLINE) return i;
    }
    return stop === end || stop === at + 1 ? stop : stop - 1;
  };
