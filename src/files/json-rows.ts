/** @file Rows of a JSON array, or of values that merely follow each other, without holding the file. */
import type { Place } from '../core/errors.ts';
import type { Chunks } from './chunks.ts';
import { badJson, rowTooLarge } from './errors.ts';
import { decodeUtf8, maxDepth, parseJson } from './json.ts';
import { asRow, JsonRow, largestRow, type Row, type Rows } from './row.ts';

const NEWLINE = 10;
const RETURN = 13;
const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const CLOSE_ARRAY = 93;
const OPEN_ARRAY = 91;
const OPEN_OBJECT = 123;

const isSpace = (byte: number): boolean =>
  byte === 32 || byte === 9 || byte === NEWLINE || byte === RETURN;
const isOpening = (byte: number): boolean => byte === OPEN_OBJECT || byte === OPEN_ARRAY;
const isClosing = (byte: number): boolean => byte === 125 || byte === CLOSE_ARRAY;

/**
 * The rows of an array where the file begins with its bracket, else those of another reader: as Hugging Face's reader,
 * this one looks at what is in a file, not at whether it is named .json or .jsonl.
 */
export const jsonRows = (otherwise: (path: string, chunks: Chunks) => Rows) =>
  function* (path: string, chunks: Chunks): Rows {
    const seen: Buffer[] = [];
    let size = 0;
    let first: number | undefined;
    while (first === undefined) {
      const next = chunks.next();
      if (next.done) return;
      first = next.value.find((byte) => !isSpace(byte));
      seen.push(next.value);
      size += next.value.length;
      if (size > largestRow) throw rowTooLarge({ file: path, line: 1 }, largestRow);
    }
    const all = prepend(seen, chunks);
    yield* first === OPEN_ARRAY ? jsonValues(path, all, true) : otherwise(path, all);
  };

function* prepend(first: readonly Buffer[], rest: Chunks): Chunks {
  yield* first;
  yield* rest;
}

/**
 * The elements of an array, or values that follow each other (objects in a `.json`, one a line). Where each value
 * ends is found first; objects are decoded and parsed when they are looked at. An array of texts has a row for each,
 * with the one column `text`, as Hugging Face's reader has it.
 */
export function* jsonValues(path: string, chunks: Chunks, inArray: boolean): Rows {
  const input = createWindow(chunks);
  let line = 1;
  let column = 1;
  /** The end of a row that stands on this line before `column`: its characters are counted where it matters. */
  let uncounted: Buffer | undefined;
  let row = 0;
  let ofTexts = false;

  const place = (): Place => {
    if (uncounted) column += uncounted.toString('utf8').length;
    uncounted = undefined;
    return { file: path, line, column, row };
  };
  const endLine = (): void => {
    line++;
    column = 1;
    uncounted = undefined;
  };
  const skipSpace = (): boolean => {
    for (;;) {
      const { buffer } = input;
      for (; input.at < buffer.length; input.at++) {
        const byte = buffer[input.at]!;
        if (!isSpace(byte)) return true;
        if (byte === NEWLINE) endLine();
        else column++;
      }
      if (!input.more()) return false;
    }
  };
  const step = (): void => {
    input.at++;
    column++;
  };
  const seen = (): string => {
    while (input.buffer.length - input.at < 20) if (!input.more()) break;
    const text = input.buffer.toString('utf8', input.at, input.at + 20);
    return `\`${text.split(/[\r\n\ufffd]/)[0]}\``;
  };
  const read = (bytes: Buffer, start: Place, where: Place): Row => {
    if (row === 0) ofTexts = inArray && bytes[0] === QUOTE;
    if (bytes[0] === OPEN_OBJECT) return new JsonRow({ bytes, start, checked: false }, where);
    const value = parseJson(decodeUtf8(bytes, start), start, { strict: true });
    const text = ofTexts && typeof value === 'string';
    return { value: text ? { text: value } : asRow(value, where), place: where };
  };
  /** Goes on behind the row that is `bytes`. */
  const pass = (bytes: Buffer): void => {
    input.at += bytes.length;
    let from = 0;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, from)) {
      endLine();
      from = at + 1;
    }
    uncounted = from === 0 ? bytes : bytes.subarray(from);
  };

  if (!skipSpace()) return;
  if (inArray) step();
  for (;;) {
    if (!skipSpace()) {
      if (inArray) throw badJson(place(), 'the file ends before the closing `]`');
      return;
    }
    if (inArray && input.buffer[input.at] === CLOSE_ARRAY) {
      if (row > 0) throw badJson(place(), 'a comma stands before `]`');
      step();
      break;
    }

    const scan = createScanner(input);
    let end = scan();
    while (end < 0) {
      if (input.buffer.length - input.at > largestRow) throw rowTooLarge(place(), largestRow);
      end = input.more() ? scan() : input.buffer.length;
    }

    const bytes = input.buffer.subarray(input.at, end);
    yield read(bytes, place(), { file: path, line, row });
    row++;
    pass(bytes);
    if (!inArray) continue;

    if (!skipSpace()) throw badJson(place(), 'the file ends before the closing `]`');
    const byte = input.buffer[input.at];
    if (byte !== COMMA && byte !== CLOSE_ARRAY) {
      throw badJson(place(), `expected \`,\` or \`]\` after the row, found ${seen()}`);
    }
    step();
    if (byte === CLOSE_ARRAY) break;
  }
  if (skipSpace()) {
    const { row: _, ...after } = place();
    throw badJson(after, `after the closing \`]\` stands ${seen()}`);
  }
}

type Window = {
  readonly buffer: Buffer;
  /** Where the current value begins; all before it may be dropped. */
  at: number;
  /** Draws one more chunk; false at the end of the file. */
  readonly more: () => boolean;
  /** Offset of the next line feed at or after `from`, or of the buffer's end. Ask in ascending order. */
  readonly nextNewline: (from: number) => number;
};

/** The part of the file that is looked at: from the value in hand to the end of the newest chunk. */
function createWindow(chunks: Chunks): Window {
  let buffer: Buffer = Buffer.alloc(0);
  let newline = 0;
  const find = (from: number): void => {
    const found = buffer.indexOf(NEWLINE, from);
    newline = found < 0 ? buffer.length : found;
  };
  const window = {
    get buffer() {
      return buffer;
    },
    at: 0,
    more(): boolean {
      const next = chunks.next();
      if (next.done) return false;
      const kept = buffer.subarray(window.at);
      const searched = Math.max(0, newline - window.at);
      const unknown = newline >= buffer.length;
      buffer = kept.length === 0 ? next.value : Buffer.concat([kept, next.value]);
      window.at = 0;
      newline = searched;
      if (unknown) find(searched);
      return true;
    },
    nextNewline(from: number): number {
      if (newline < from) find(from);
      return newline;
    },
  };
  return window;
}

/**
 * Finds the end of one JSON value, over as many calls as it has chunks: the offset after it, or -1 where it goes
 * on in the next chunk. Texts are leapt over, from quote to quote. What the parser will refuse anyway, a line break
 * in quotes or too many brackets, ends the value at once: the rest of the file need not be read for it.
 */
function createScanner(input: Window): () => number {
  let done = 0;
  let depth = 0;
  let inText = false;
  let kind: 'unknown' | 'nested' | 'text' | 'bare' = 'unknown';
  return () => {
    const { buffer, at } = input;
    const { length } = buffer;
    let i = at + done;
    const pause = (): number => {
      done = i - at;
      return -1;
    };
    for (;;) {
      if (inText) {
        const quote = buffer.indexOf(QUOTE, i);
        const end = quote < 0 ? length : quote;
        const newline = input.nextNewline(i);
        if (newline < end) return newline + 1;
        i = end;
        if (quote < 0) return pause();
        i++;
        if (isEscaped(buffer, quote)) continue;
        inText = false;
        if (kind === 'text') return i;
      }
      if (i >= length) return pause();
      const byte = buffer[i]!;
      if (kind === 'unknown') {
        kind = isOpening(byte) ? 'nested' : byte === QUOTE ? 'text' : 'bare';
        if (kind === 'bare') {
          i++;
          continue;
        }
      }
      if (kind === 'bare') {
        if (isSpace(byte) || byte === COMMA || isClosing(byte)) return i;
      } else if (byte === QUOTE) inText = true;
      else if (isOpening(byte)) {
        if (++depth > maxDepth + 1) return i + 1;
      } else if (isClosing(byte) && --depth === 0) return i + 1;
      i++;
    }
  };
}

/** Whether the quote is part of the text: an odd number of backslashes stands before it. */
function isEscaped(buffer: Buffer, quote: number): boolean {
  let from = quote;
  while (from > 0 && buffer[from - 1] === BACKSLASH) from--;
  return (quote - from) % 2 === 1;
}
