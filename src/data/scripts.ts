/**
 * @file In which script a text is written, told from its tokens: a table over the vocabulary makes a whole set one
 * look-up a token. It tells alphabets, not languages: French and English are both Latin.
 */
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { ignored } from './labels.ts';

/** Scripts that are told apart; each has the languages that people look for. The first is of letters of no other. */
const table = {
  other: /\p{L}/u,
  Latin: /\p{Script=Latin}/u,
  'Han (Chinese)': /\p{Script=Han}/u,
  'Kana (Japanese)': /[\p{Script=Hiragana}\p{Script=Katakana}]/u,
  'Hangul (Korean)': /\p{Script=Hangul}/u,
  Cyrillic: /\p{Script=Cyrillic}/u,
  Arabic: /\p{Script=Arabic}/u,
  Devanagari: /\p{Script=Devanagari}/u,
  Bengali: /\p{Script=Bengali}/u,
  Thai: /\p{Script=Thai}/u,
  Hebrew: /\p{Script=Hebrew}/u,
  Greek: /\p{Script=Greek}/u,
} as const;
export const scripts = Object.keys(table);
const [, ...patterns] = Object.values(table);
const [latin, han, kana] = ['Latin', 'Han (Chinese)', 'Kana (Japanese)'].map((name) =>
  scripts.indexOf(name),
);

/** Index into `scripts`; undefined for what is no letter. */
export function scriptOf(char: string): number | undefined {
  if (char <= '\u007f') return /[a-z]/i.test(char) ? latin : undefined;
  const index = patterns.findIndex((pattern) => pattern.test(char));
  if (index >= 0) return index + 1;
  return table.other.test(char) ? 0 : undefined;
}

export type ScriptCounter = {
  /** Index into `scripts` of what most letters are of, among tokens with a label other than −100; undefined where there are none. */
  of(ids: Int32Array, labels?: Int32Array): number | undefined;
};

export function createScriptCounter(tokenizer: Tokenizer): ScriptCounter {
  // Each token's letters by script, made when it is first seen: [script, letters, script, letters, …].
  const known: (Uint8Array | undefined)[] = [];
  const counts = new Float64Array(scripts.length);
  return {
    of(ids, labels) {
      counts.fill(0);
      for (let i = 0; i < ids.length; i++) {
        if (labels?.[i] === ignored) continue;
        const letters = known[ids[i]] ?? lettersOf(ids[i], tokenizer);
        known[ids[i]] = letters;
        for (let at = 0; at < letters.length; at += 2) counts[letters[at]] += letters[at + 1];
      }
      // Japanese is written in both: a fifth of kana is more than Chinese ever has.
      if (counts[kana] * 4 > counts[han]) {
        counts[kana] += counts[han];
        counts[han] = 0;
      }
      const most = counts.reduce((best, count, i) => (count > counts[best] ? i : best), 0);
      return counts[most] > 0 ? most : undefined;
    },
  };
}

const utf8 = new TextDecoder();

function lettersOf(id: number, tokenizer: Tokenizer): Uint8Array {
  const bytes = tokenizer.isSpecial(id) ? undefined : tokenizer.bytesOf(id);
  if (bytes === undefined) return new Uint8Array(0);
  const counts = new Map<number, number>();
  for (const char of utf8.decode(begun(bytes))) {
    const script = scriptOf(char);
    if (script !== undefined) counts.set(script, (counts.get(script) ?? 0) + 1);
  }
  return Uint8Array.from([...counts].flatMap(([script, count]) => [script, Math.min(count, 255)]));
}

/** Second bytes of three-byte characters that lie in the block's usual script; elsewhere 0xa0 does. */
const usualSecond: Readonly<Record<number, number>> = { 227: 0x81, 234: 0xb0, 237: 0x90 };
/** Leads of so many scripts (India's, South East Asia's; emoji) that alone they tell none. */
const tellsNothing: readonly number[] = [0xe0, 0xf0];

/**
 * The bytes, with a character that only begins here made whole: its first bytes tell its block, which is mostly
 * of one script. So a character counts once, at the token with its first byte.
 */
function begun(bytes: Uint8Array): Uint8Array {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return bytes;
    if (byte < 0xc0) continue;
    const length = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    if (back >= length || (back === 1 && tellsNothing.includes(byte))) return bytes;
    const rest = new Uint8Array(length - back).fill(0xa0);
    if (back === 1) rest[0] = usualSecond[byte] ?? 0xa0;
    return Buffer.concat([bytes, rest]);
  }
  return bytes;
}
