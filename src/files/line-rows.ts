/** @file Rows that are lines: .jsonl with an object on each, .txt with a text on each. */
import { isUtf8 } from 'node:buffer';
import type { Place } from '../core/errors.ts';
import type { Chunks } from './chunks.ts';
import { rowTooLarge } from './errors.ts';
import { decodeUtf8, parseJson } from './json.ts';
import { asRow, JsonRow, largestRow, type Rows } from './row.ts';

const NEWLINE = 10;

export type Line = { readonly text: string; readonly line: number };

/** `sound`: known to be UTF-8. */
type ByteLine = { readonly bytes: Buffer; readonly line: number; readonly sound: boolean };

/** Lines without their line feed; the last one counts also where none follows it. */
function* byteLines(path: string, chunks: Chunks): Generator<ByteLine> {
  let rest: Buffer[] = [];
  let held = 0;
  let line = 1;
  for (const chunk of chunks) {
    let end = chunk.indexOf(NEWLINE);
    // No line feed is part of another character, so lines are sound where all of them together are.
    const sound = isUtf8(chunk.subarray(end + 1, chunk.lastIndexOf(NEWLINE) + 1));
    let from = 0;
    for (; end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const bytes = chunk.subarray(from, end);
      if (from > 0) yield { bytes, line, sound };
      else yield { bytes: Buffer.concat([...rest, bytes]), line, sound: false };
      if (rest.length > 0) rest = [];
      line++;
      from = end + 1;
    }
    if (from > 0) held = 0;
    if (from < chunk.length) rest.push(chunk.subarray(from));
    held += chunk.length - from;
    if (held > largestRow) throw rowTooLarge({ file: path, line }, largestRow);
  }
  if (rest.length > 0) yield { bytes: Buffer.concat(rest), line, sound: false };
}

export function* lines(path: string, chunks: Chunks): Generator<Line> {
  for (const { bytes, line, sound } of byteLines(path, chunks)) {
    const text = sound ? bytes.toString('utf8') : decodeUtf8(bytes, { file: path, line });
    yield { text, line };
  }
}

/** Blank lines are no rows. */
export function* jsonLines(path: string, chunks: Chunks): Rows {
  let row = 0;
  for (const { bytes, line } of byteLines(path, chunks)) {
    const place: Place = { file: path, line, row };
    if (beginsObject(bytes)) {
      yield new JsonRow({ bytes, start: place, checked: false }, place);
    } else {
      const text = decodeUtf8(bytes, place);
      if (text.trim() === '') continue;
      yield { value: asRow(parseJson(text, place, { strict: true }), place), place };
    }
    row++;
  }
}

function beginsObject(bytes: Buffer): boolean {
  let at = 0;
  while (bytes[at] === 32 || bytes[at] === 9) at++;
  return bytes[at] === 123;
}

/** Blank lines are rows too, as Hugging Face's text reader has it; `\r\n` and `\r` end lines as `\n` does. */
export function* textRows(path: string, chunks: Chunks): Rows {
  let row = 0;
  for (const { text, line } of lines(path, chunks)) {
    const whole = text.endsWith('\r') ? text.slice(0, -1) : text;
    for (const part of whole.split('\r')) {
      yield { value: { text: part }, place: { file: path, line, row: row++ } };
    }
  }
}
