/** @file Rows that are lines: .jsonl with an object on each, .txt with a text on each. */
import { isUtf8 } from 'node:buffer';
import type { Place } from '../core/errors.ts';
import type { Chunks } from './chunks.ts';
import { rowTooLarge } from './errors.ts';
import { decodeUtf8, parseJson } from './json.ts';
import { asRow, largestRow, type Rows } from './row.ts';

const NEWLINE = 10;

export type Line = { readonly text: string; readonly line: number };

/** Lines without their line feed; the last one counts also where none follows it. */
export function* lines(path: string, chunks: Chunks): Generator<Line> {
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
      const text =
        sound && from > 0
          ? bytes.toString('utf8')
          : decodeUtf8(Buffer.concat([...rest, bytes]), { file: path, line });
      if (rest.length > 0) rest = [];
      yield { text, line: line++ };
      from = end + 1;
    }
    if (from > 0) held = 0;
    if (from < chunk.length) rest.push(chunk.subarray(from));
    held += chunk.length - from;
    if (held > largestRow) throw rowTooLarge({ file: path, line }, largestRow);
  }
  if (rest.length > 0) {
    yield { text: decodeUtf8(Buffer.concat(rest), { file: path, line }), line };
  }
}

/** Blank lines are no rows. */
export function* jsonLines(path: string, chunks: Chunks): Rows {
  let row = 0;
  for (const { text, line } of lines(path, chunks)) {
    const place: Place = { file: path, line, row };
    if (text.trim() === '') continue;
    yield { value: asRow(parseJson(text, place, { strict: true }), place), place };
    row++;
  }
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
