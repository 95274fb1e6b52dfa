/** @file The byte alphabet of GPT-2: every byte has a printable character, so that a token is a plain string. */

function alphabet(): readonly string[] {
  const chars: string[] = [];
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    chars.push(String.fromCharCode(printable ? byte : next++));
  }
  return chars;
}

/** The character of each byte; all are single UTF-16 units below 0x144. */
export const byteChars: readonly string[] = alphabet();

/** The byte of each character's code, -1 where the character is none of the alphabet. */
export const bytesOfChars: Int16Array = (() => {
  const bytes = new Int16Array(0x144).fill(-1);
  for (const [byte, char] of byteChars.entries()) bytes[char.charCodeAt(0)] = byte;
  return bytes;
})();

const utf8 = new TextEncoder();

/** The text as its UTF-8 bytes in the alphabet. */
export function toByteChars(text: string): string {
  let chars = '';
  for (const byte of utf8.encode(text)) chars += byteChars[byte];
  return chars;
}

/** What a token of the vocabulary stands for; a token with foreign characters stands for its own text. */
export function tokenBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const code = token.charCodeAt(i);
    const byte = code < bytesOfChars.length ? bytesOfChars[code] : -1;
    if (byte < 0) return utf8.encode(token);
    bytes[i] = byte;
  }
  return bytes;
}
