/** @file Bytes to text and text to JSON, with every fault of one row reported at its own place. */
import { isUtf8 } from 'node:buffer';
import { type Place, TuneryError } from '../../core/errors.ts';
import { type JsonValue, parseJson } from '../../files/json.ts';
import { placeAt } from './locate.ts';
import type { Reported } from './raw-row.ts';

/** Undefined, and reported, where the bytes are no UTF-8. */
export function decodeText(bytes: Buffer, place: Place, report: Reported): string | undefined {
  const text = bytes.toString('utf8');
  if (isUtf8(bytes)) return text;
  report('files/not-utf8', 'the text is not UTF-8', {
    ...placeAt(text, badCharacter(bytes, text), place),
  });
  return undefined;
}

/** The first replacement character that does not stand in the bytes themselves. */
function badCharacter(bytes: Buffer, text: string): number {
  for (let at = text.indexOf('\ufffd'); at >= 0; at = text.indexOf('\ufffd', at + 1)) {
    const byte = Buffer.byteLength(text.slice(0, at));
    if (bytes[byte] !== 0xef || bytes[byte + 1] !== 0xbf || bytes[byte + 2] !== 0xbd) return at;
  }
  return 0;
}

const quoted = /"(?:[^"\\]|\\.)*"|(?<![\w.])-?(?:NaN|Infinity)\b/gs;

/**
 * The value of a row. Numbers that JSON does not have are reported and read as null, so that the rest of the
 * row is seen too; anything else that is no JSON gives undefined.
 */
export function parseLenient(text: string, start: Place, report: Reported): JsonValue | undefined {
  const fault = attempt(text, start);
  if (!(fault instanceof TuneryError)) return fault.value;
  const odd: { word: string; at: number }[] = [];
  const mended = text.replace(quoted, (part, at: number) => {
    if (part.startsWith('"')) return part;
    odd.push({ word: part, at });
    return 'null';
  });
  const again = odd.length > 0 ? attempt(mended, start) : fault;
  if (again instanceof TuneryError) {
    report(fault.code, fault.message, fault.place ?? start);
    return undefined;
  }
  for (const { word, at } of odd) {
    report('files/not-a-number', `\`${word}\` is no JSON number`, placeAt(text, at, start));
  }
  return again.value;
}

function attempt(text: string, place: Place): { readonly value: JsonValue } | TuneryError {
  try {
    return { value: parseJson(text, place) };
  } catch (error) {
    if (error instanceof TuneryError) return error;
    throw error;
  }
}
