/**
 * @file The rows of a JSON array. Where one is broken, reading goes on at the next line that begins as this row
 * began: with `{` at the same column.
 */
import type { Place } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { isJsonObject } from '../../files/json.ts';
import { largestRow } from '../../files/row.ts';
import { describe } from '../example.ts';
import { lineEnds } from './line-ends.ts';
import type { RawRow, Reported } from './raw-row.ts';
import { decodeText, parseLenient } from './raw-text.ts';

const NEWLINE = 10;
const RETURN = 13;
const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN = 123;
const CLOSE = 93;

/** A row that holds so many lines of its own kind, and is so large, was never closed. */
const suspects = 64;
const suspectBytes = 16e6;

export function* arrayRows(
  file: string,
  chunks: Iterator<Buffer>,
  report: Reported,
): Generator<RawRow, void, undefined> {
  let buffer: Buffer = Buffer.alloc(0);
  let at = 0;
  let line = 1;
  /** Offset in the buffer at which the line begins; negative once that was dropped. */
  let lineStart = 0;
  let row = 0;
  const ends = lineEnds(file, report);

  const more = (): boolean => {
    const next = chunks.next();
    if (next.done) return false;
    buffer = Buffer.concat([buffer.subarray(at), next.value]);
    lineStart -= at;
    at = 0;
    return true;
  };
  const passLine = (newline: number): void => {
    ends.add(buffer[newline - 1] === RETURN, line);
    line++;
    lineStart = newline + 1;
  };
  const skipSpace = (): boolean => {
    for (;;) {
      for (; at < buffer.length; at++) {
        const byte = buffer[at];
        if (byte === NEWLINE) passLine(at);
        else if (byte !== 32 && byte !== 9 && byte !== RETURN) return true;
      }
      if (!more()) return false;
    }
  };
  const here = (): Place => ({ file, line, column: at - lineStart + 1, row });
  const goTo = (offset: number): void => {
    for (;;) {
      const newline = buffer.indexOf(NEWLINE, at);
      if (newline < 0 || newline >= offset) break;
      passLine(newline);
      at = newline + 1;
    }
    at = offset;
  };
  /** Goes to the next line that begins as a row does, at its column; false where there is none. */
  const nextRow = (indent: number): boolean => {
    for (;;) {
      const newline = buffer.indexOf(NEWLINE, at);
      if (newline < 0 || newline + indent + 1 >= buffer.length) {
        if (newline < 0) at = buffer.length;
        if (!more()) return false;
        continue;
      }
      passLine(newline);
      at = newline + 1;
      if (!beginsRow(buffer, at, indent)) continue;
      at += indent;
      return true;
    }
  };
  const unclosed = 'the file ends before the closing `]`';

  skipSpace();
  at++;
  for (;;) {
    if (!skipSpace()) return report('files/json', unclosed, here());
    if (buffer[at] === CLOSE) break;
    const start = here();
    const indent = (start.column ?? 1) - 1;
    const scan = rowScanner(indent);
    let end = scan.go(buffer, at, at);
    while (end === undefined) {
      const scanned = buffer.length - at;
      if (scanned > largestRow || (scan.count >= suspects && scanned > suspectBytes)) break;
      if (!more()) break;
      end = scan.go(buffer, at, at + scanned);
    }
    // A row that holds lines which begin as it does is whole only if it can be read.
    const doubtful = scan.next !== undefined && scan.next <= (end ?? Number.POSITIVE_INFINITY);
    const whole = end === undefined || (doubtful && !isSound(buffer, at, end)) ? undefined : end;
    const limit = whole ?? (doubtful ? scan.next : undefined) ?? buffer.length - at;
    if (limit > largestRow) {
      report('files/row-too-large', `one row is larger than ${formatBytes(largestRow)}`, start);
      return;
    }
    const text = decodeText(buffer.subarray(at, at + limit), start, report);
    const value = text === undefined ? undefined : parseLenient(text, start, report);
    const place: Place = { file, line: start.line ?? 1, row };
    row++;
    if (isJsonObject(value)) {
      yield { value, place, source: { text: text ?? '', start, kind: 'json' } };
    } else if (value !== undefined) {
      const found = describe(value);
      report('files/row-not-object', `a row must be an object, and this one is ${found}`, start);
    }
    if (whole !== undefined && (value !== undefined || !scan.cut)) goTo(at + whole);
    else if (nextRow(indent)) continue;
    else return;

    if (!skipSpace()) return report('files/json', unclosed, here());
    if (buffer[at] === COMMA) {
      at++;
      continue;
    }
    if (buffer[at] === CLOSE) break;
    report('files/json', 'expected `,` or `]` after the row', here());
    if (buffer[at] !== OPEN) return;
  }
  at++;
  if (skipSpace()) report('files/json', 'something stands after the closing `]`', here());
  ends.end();
}

/** Whether the bytes are a value by themselves. */
function isSound(buffer: Buffer, from: number, length: number): boolean {
  try {
    JSON.parse(buffer.toString('utf8', from, from + length));
    return true;
  } catch {
    return false;
  }
}

/**
 * Finds the end of a row by its brackets. `next` is where, from its beginning, the first line stands that begins
 * as the row does; `cut` says that a text in it never closed.
 */
function rowScanner(indent: number) {
  let depth = 0;
  let inText = false;
  let escaped = false;
  const scanner = {
    next: undefined as number | undefined,
    count: 0,
    cut: false,
    /** Length of the row, or undefined where it goes on in the next chunk. */
    go(buffer: Buffer, origin: number, from: number): number | undefined {
      for (let i = from; i < buffer.length; i++) {
        const byte = buffer[i];
        if (byte === NEWLINE) {
          if (beginsRow(buffer, i + 1, indent)) {
            scanner.next ??= i + 1 + indent - origin;
            scanner.count++;
          }
          if (!inText) continue;
          // JSON has no line break inside quotes.
          scanner.cut = true;
          return i + 1 - origin;
        }
        if (inText) {
          if (escaped) escaped = false;
          else if (byte === BACKSLASH) escaped = true;
          else if (byte === QUOTE) {
            inText = false;
            if (depth === 0) return i + 1 - origin;
          }
          continue;
        }
        if (byte === QUOTE) inText = true;
        else if (byte === OPEN || byte === 91) depth++;
        else if (byte === 125 || byte === CLOSE) {
          if (depth === 0) return i - origin;
          if (--depth === 0) return i + 1 - origin;
        } else if (byte === COMMA && depth === 0) return i - origin;
      }
      return undefined;
    },
  };
  return scanner;
}

function beginsRow(buffer: Buffer, from: number, indent: number): boolean {
  if (buffer[from + indent] !== OPEN) return false;
  for (let i = from; i < from + indent; i++) {
    if (buffer[i] !== 32 && buffer[i] !== 9) return false;
  }
  return true;
}
