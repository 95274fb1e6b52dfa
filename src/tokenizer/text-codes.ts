/** @file The UTF-16 units of a text in a plain array: a loop reads them several times as fast as out of the string. */

/** Fills a buffer that is used again, and is longer than the text: valid until the next call. */
export type CodesOf = (text: string) => Uint16Array;

/** Units of a buffer that is kept. */
const kept = 1 << 16;
/** A text that is shorter is copied before a native call would have begun. */
const short = 24;

export function createTextCodes(): CodesOf {
  const buffer = new Uint16Array(kept);
  const bytes = Buffer.from(buffer.buffer);
  let last = '';
  let lastCodes = buffer;
  return (text) => {
    if (text === last) return lastCodes;
    last = text;
    lastCodes = buffer;
    if (text.length > kept) {
      lastCodes = new Uint16Array(text.length);
      Buffer.from(lastCodes.buffer).write(text, 'utf16le');
    } else if (text.length < short) {
      for (let i = 0; i < text.length; i++) buffer[i] = text.charCodeAt(i);
    } else {
      bytes.write(text, 'utf16le');
    }
    return lastCodes;
  };
}
