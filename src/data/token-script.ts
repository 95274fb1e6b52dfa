/**
 * @file In which script the tokens of a text are written: a table over the vocabulary makes a whole set one look-up
 * a token. It tells alphabets, not languages: French and English are both latin.
 */
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { ignored } from './labels.ts';
import { commonest, lettersOf, type ScriptName, scriptNames } from './text-script.ts';

/**
 * The script of most letters among the tokens that have a label other than −100 (or of all, without labels);
 * undefined where there are no letters of any.
 */
export type TokenScript = (ids: Int32Array, labels?: Int32Array) => ScriptName | undefined;

export function createTokenScript(tokenizer: Tokenizer): TokenScript {
  // Each token's letters by script, made when it is first seen: [script, letters, script, letters, …].
  const known: (Uint8Array | undefined)[] = [];
  const counts = new Float64Array(scriptNames.length);
  return (ids, labels) => {
    counts.fill(0);
    for (let i = 0; i < ids.length; i++) {
      if (labels?.[i] === ignored) continue;
      const letters = known[ids[i]] ?? lettersOfToken(ids[i], tokenizer);
      known[ids[i]] = letters;
      for (let at = 0; at < letters.length; at += 2) counts[letters[at]] += letters[at + 1];
    }
    return commonest(counts);
  };
}

const utf8 = new TextDecoder();

function lettersOfToken(id: number, tokenizer: Tokenizer): Uint8Array {
  const bytes = tokenizer.isSpecial(id) ? undefined : tokenizer.bytesOf(id);
  if (bytes === undefined) return new Uint8Array(0);
  const letters = lettersOf(utf8.decode(begun(bytes)));
  return Uint8Array.from(
    letters.flatMap((count, script) => (count > 0 ? [script, Math.min(count, 255)] : [])),
  );
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
