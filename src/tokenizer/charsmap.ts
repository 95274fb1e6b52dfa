/**
 * @file The character map of a SentencePiece model (`precompiled_charsmap`): a double array of prefixes, as darts-clone
 * writes it, and the texts that they become.
 *
 * SentencePiece takes the longest prefix that is in the map. The library's `Precompiled` looks at one grapheme at a
 * time, takes its shortest prefix for the whole of it where it is shorter than six bytes, and else goes by characters.
 */
import { badTokenizer } from './errors.ts';

export type Charsmap = {
  /** What the longest prefix of `text` from `at` on becomes, and its UTF-16 units; undefined where none is in the map. */
  readonly longest: (text: string, at: number) => { text: string; length: number } | undefined;
  /** What the shortest prefix of a short text becomes. */
  readonly shortest: (text: string) => string | undefined;
};

const utf8 = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Some characters cannot begin anything in the map: for them nothing is looked up twice. */
const UNSEEN = 0;
const PLAIN = 1;
const MAPPED = 2;

export function readCharsmap(bytes: Uint8Array, file: string): Charsmap {
  const bad = (what: string): Error => badTokenizer(file, 'precompiled_charsmap', what);
  if (bytes.length < 4) throw bad('the character map is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getUint32(0, true);
  if (size % 4 !== 0 || 4 + size > bytes.length) throw bad('the character map is cut off');
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const texts = bytes.subarray(4 + size);

  const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);

  function textAt(start: number): string {
    const end = texts.indexOf(0, start);
    return decoder.decode(texts.subarray(start, end < 0 ? texts.length : end));
  }

  /**
   * Calls back with the value and the length in bytes of every prefix in the map, shortest first, until told to stop.
   * Gives how many bytes led somewhere.
   */
  function prefixes(key: Uint8Array, found: (value: number, length: number) => boolean): number {
    if (units.length === 0) return 0;
    let node = offsetOf(units[0]);
    for (let i = 0; i < key.length && key[i] !== 0; i++) {
      node ^= key[i];
      const unit = units[node];
      // A unit's label is its low byte, and no label at all where its highest bit is set.
      if (unit === undefined || (unit & 0x800000ff) !== key[i]) return i;
      node ^= offsetOf(unit);
      if ((unit >>> 8) & 1 && !found(units[node] & 0x7fffffff, i + 1)) return i;
    }
    return key.length;
  }

  /** Whether the map has anything that begins with this character. */
  const states = new Uint8Array(0x10000);
  function stateOf(code: number): number {
    if (code > 0xffff) return MAPPED;
    if (states[code] !== UNSEEN) return states[code];
    let node = units.length === 0 ? -1 : offsetOf(units[0]);
    for (const byte of utf8.encode(String.fromCharCode(code))) {
      node ^= byte;
      const unit = byte === 0 ? undefined : units[node];
      if (unit === undefined || (unit & 0x800000ff) !== byte) {
        states[code] = PLAIN;
        return PLAIN;
      }
      node ^= offsetOf(unit);
    }
    states[code] = MAPPED;
    return MAPPED;
  }

  return {
    longest(text, at) {
      const code = text.codePointAt(at)!;
      if (stateOf(code) === PLAIN) return undefined;
      // A second look with more of the text where the first ended inside a prefix.
      for (let span = 16; ; span *= 16) {
        const key = utf8.encode(text.slice(at, at + span).toWellFormed());
        let [value, length] = [-1, 0];
        const reached = prefixes(key, (found, bytes) => {
          [value, length] = [found, bytes];
          return true;
        });
        if (reached === key.length && at + span < text.length) continue;
        if (value < 0) return undefined;
        return { text: textAt(value), length: decoder.decode(key.subarray(0, length)).length };
      }
    },
    shortest(text) {
      if (stateOf(text.codePointAt(0)!) === PLAIN && text.charCodeAt(0) < 0x10000) return undefined;
      let value = -1;
      prefixes(utf8.encode(text), (found) => {
        value = found;
        return false;
      });
      return value < 0 ? undefined : textAt(value);
    },
  };
}

/** Made when first needed: it takes longer than all else that is loaded here. */
let segmenter: Intl.Segmenter | undefined;

/** Stretches in which graphemes may be longer than one character; all else is ASCII, a grapheme each. */
const complex = /[\0-\x7f]?(?:[^\0-\x7f]+[\0-\x7f]?)+|\r\n/gu;

/** The map as the library's `Precompiled` applies it: parts of the result with the range that each came of. */
export function* precompiled(
  map: Charsmap,
  text: string,
): Generator<readonly [text: string, start: number, end: number]> {
  let last = 0;
  for (const match of text.matchAll(complex)) {
    segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
    yield* plain(map, text, last, match.index);
    for (const { segment, index } of segmenter.segment(match[0])) {
      const start = match.index + index;
      const whole = Buffer.byteLength(segment) < 6 ? map.shortest(segment) : undefined;
      if (whole === undefined) yield* plain(map, text, start, start + segment.length);
      else yield [whole, start, start + segment.length];
    }
    last = match.index + match[0].length;
  }
  yield* plain(map, text, last, text.length);
}

/** Character by character. */
function* plain(
  map: Charsmap,
  text: string,
  start: number,
  end: number,
): Generator<readonly [text: string, start: number, end: number]> {
  let kept = start;
  for (let i = start; i < end; ) {
    const char = String.fromCodePoint(text.codePointAt(i)!);
    const changed = map.shortest(char);
    if (changed !== undefined) {
      if (i > kept) yield [text.slice(kept, i), kept, i];
      yield [changed, i, i + char.length];
      kept = i + char.length;
    }
    i += char.length;
  }
  if (end > kept) yield [text.slice(kept, end), kept, end];
}
