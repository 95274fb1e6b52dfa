/**
 * @file Rows of .json, .jsonl and .txt files, one at a time, each with its place. Memory is bounded
 * by the largest row, never by the file.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { extname } from 'node:path';
import type { Place } from '../core/errors.ts';
import { badJson, readFault, rowNotObject, rowTooLarge, unknownRowFormat } from './errors.ts';
import { decodeUtf8, isJsonObject, type JsonObject, type JsonValue, parseJson } from './json.ts';

export type Row = { readonly value: JsonObject; readonly place: Place };

/** Endings that `readRows` takes. */
export const rowFormats: readonly string[] = ['.json', '.jsonl', '.txt'];

const chunkBytes = 4 << 20;
const largestRow = 256e6;

const NEWLINE = 10;
const RETURN = 13;
const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const CLOSE_ARRAY = 93;
const OPEN_ARRAY = 91;

const isSpace = (byte: number): boolean =>
  byte === 32 || byte === 9 || byte === NEWLINE || byte === RETURN;

/** The rows of a file, by its ending. Reads as it is iterated. */
export function* readRows(path: string): Generator<Row, void, undefined> {
  const format = extname(path).toLowerCase();
  if (!rowFormats.includes(format)) throw unknownRowFormat(path);
  const chunks = readChunks(path);
  try {
    const first = skipMark(chunks);
    const source = joined(first, chunks);
    if (format === '.txt') yield* textRows(path, source);
    else if (first.find((byte) => !isSpace(byte)) === OPEN_ARRAY) yield* values(path, source, true);
    else if (format === '.json') yield* values(path, source, false);
    else yield* lineRows(path, source);
  } finally {
    chunks.return(undefined);
  }
}

type Chunks = Generator<Buffer, void, undefined>;

function* readChunks(path: string): Chunks {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw readFault(path, error);
  }
  try {
    for (;;) {
      // A fresh one each time: the reader keeps pieces of the last.
      const chunk = Buffer.allocUnsafe(chunkBytes);
      let count: number;
      try {
        count = readSync(fd, chunk, 0, chunk.length, null);
      } catch (error) {
        throw readFault(path, error);
      }
      if (count === 0) return;
      yield chunk.subarray(0, count);
    }
  } finally {
    closeSync(fd);
  }
}

/** The first chunk, without a byte order mark. */
function skipMark(chunks: Chunks): Buffer {
  const first = chunks.next().value ?? Buffer.alloc(0);
  const marked = first[0] === 0xef && first[1] === 0xbb && first[2] === 0xbf;
  return marked ? first.subarray(3) : first;
}

function* joined(first: Buffer, rest: Chunks): Chunks {
  if (first.length > 0) yield first;
  yield* rest;
}

/** Lines without their line feed; the last one counts also where none follows it. */
function* lines(path: string, chunks: Chunks): Generator<{ bytes: Buffer; line: number }> {
  let rest: Buffer[] = [];
  let held = 0;
  let line = 1;
  for (const chunk of chunks) {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end < 0) break;
      const piece = chunk.subarray(from, end);
      yield { bytes: rest.length === 0 ? piece : Buffer.concat([...rest, piece]), line: line++ };
      rest = [];
      held = 0;
      from = end + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
    held += chunk.length - from;
    if (held > largestRow) throw rowTooLarge({ file: path, line }, largestRow);
  }
  if (rest.length > 0) yield { bytes: Buffer.concat(rest), line };
}

/** Blank lines are rows too, as Hugging Face's text reader has it; `\r\n` and `\r` end lines as `\n` does. */
function* textRows(path: string, chunks: Chunks): Generator<Row> {
  let row = 0;
  for (const { bytes, line } of lines(path, chunks)) {
    const text = decodeUtf8(bytes, { file: path, line, row });
    const whole = text.endsWith('\r') ? text.slice(0, -1) : text;
    for (const part of whole.split('\r')) {
      yield { value: { text: part }, place: { file: path, line, row: row++ } };
    }
  }
}

function* lineRows(path: string, chunks: Chunks): Generator<Row> {
  let row = 0;
  for (const { bytes, line } of lines(path, chunks)) {
    const place: Place = { file: path, line, row };
    const text = decodeUtf8(bytes, place);
    if (text.trim() === '') continue;
    yield { value: asRow(parseJson(text, place), place), place };
    row++;
  }
}

function asRow(value: JsonValue, place: Place): JsonObject {
  if (isJsonObject(value)) return value;
  throw rowNotObject(place, describe(value));
}

function describe(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'string'
    ? 'a text'
    : typeof value === 'boolean'
      ? `${value}`
      : 'a number';
}

/**
 * The values of an array, or values that merely follow each other (objects in a `.json`, one a
 * line). Each value's end is found byte by byte; only then is it decoded and parsed.
 */
function* values(path: string, chunks: Chunks, inArray: boolean): Generator<Row> {
  let buffer: Buffer = Buffer.alloc(0);
  let at = 0;
  let line = 1;
  let column = 1;
  let row = 0;

  /** Drops what is done with and draws one more chunk; false at the end of the file. */
  const more = (keepFrom: number): boolean => {
    const next = chunks.next();
    if (next.done) return false;
    buffer = Buffer.concat([buffer.subarray(keepFrom), next.value]);
    at -= keepFrom;
    return true;
  };
  const place = (): Place => ({ file: path, line, column, row });
  const skipSpace = (): boolean => {
    for (;;) {
      for (; at < buffer.length; at++) {
        const byte = buffer[at];
        if (!isSpace(byte)) return true;
        column = byte === NEWLINE ? 1 : column + 1;
        if (byte === NEWLINE) line++;
      }
      if (!more(at)) return false;
    }
  };
  const step = (): void => {
    at++;
    column++;
  };
  const seen = (): string =>
    `\`${buffer.toString('utf8', at, Math.min(at + 20, buffer.length)).split(/[\r\n\ufffd]/)[0]}\``;

  if (!skipSpace()) return;
  if (inArray) step();
  for (;;) {
    if (!skipSpace()) {
      if (inArray) throw badJson(place(), 'the file ends before the closing `]`');
      return;
    }
    if (inArray && buffer[at] === CLOSE_ARRAY) {
      if (row > 0) throw badJson(place(), 'a comma stands before `]`');
      step();
      break;
    }

    const scan = scanner();
    let end = scan(buffer, at);
    while (end < 0) {
      const scanned = buffer.length - at;
      if (scanned > largestRow) throw rowTooLarge(place(), largestRow);
      end = more(at) ? scan(buffer, at + scanned) : buffer.length;
    }

    const begin = place();
    const text = decodeUtf8(buffer.subarray(at, end), begin);
    const where: Place = { file: path, line, row };
    yield { value: asRow(parseJson(text, begin), where), place: where };
    row++;
    at = end;
    const breaks = text.split('\n').length - 1;
    line += breaks;
    column = breaks === 0 ? column + text.length : text.length - text.lastIndexOf('\n');
    if (!inArray) continue;

    if (!skipSpace()) throw badJson(place(), 'the file ends before the closing `]`');
    const byte = buffer[at];
    if (byte !== COMMA && byte !== CLOSE_ARRAY) {
      throw badJson(place(), `expected \`,\` or \`]\` after the row, found ${seen()}`);
    }
    step();
    if (byte === CLOSE_ARRAY) break;
  }
  if (skipSpace())
    throw badJson({ file: path, line, column }, `after the closing \`]\` stands ${seen()}`);
}

/**
 * Finds the end of one JSON value, over as many calls as it has chunks. Returns the offset after it,
 * or -1 where it goes on in the next chunk. A line break inside quotes ends it at once: that is a
 * fault, which the parser will name, and the rest of the file need not be read for it.
 */
function scanner(): (buffer: Buffer, from: number) => number {
  let depth = 0;
  let inText = false;
  let escaped = false;
  let kind: 'unknown' | 'nested' | 'text' | 'bare' = 'unknown';
  return (buffer, from) => {
    for (let i = from; i < buffer.length; i++) {
      const byte = buffer[i];
      if (inText) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) {
          inText = false;
          if (kind === 'text') return i + 1;
        } else if (byte === NEWLINE) return i + 1;
        continue;
      }
      if (kind === 'unknown') {
        kind = isOpening(byte) ? 'nested' : byte === QUOTE ? 'text' : 'bare';
        if (kind === 'bare') continue;
      }
      if (kind === 'bare') {
        if (isSpace(byte) || byte === COMMA || isClosing(byte)) return i;
      } else if (byte === QUOTE) inText = true;
      else if (isOpening(byte)) depth++;
      else if (isClosing(byte) && --depth === 0) return i + 1;
    }
    return -1;
  };
}

const isOpening = (byte: number): boolean => byte === 123 || byte === OPEN_ARRAY;
const isClosing = (byte: number): boolean => byte === 125 || byte === CLOSE_ARRAY;
