/** @file Rows that are lines, JSON or text. A broken one is reported, and reading goes on at the next. */
import type { Place } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import type { Chunks } from '../../files/chunks.ts';
import { isJsonObject } from '../../files/json.ts';
import { largestRow } from '../../files/row.ts';
import { describe } from '../example.ts';
import { lineEnds } from './line-ends.ts';
import type { RawRow, Reported } from './raw-row.ts';
import { decodeText, parseLenient } from './raw-text.ts';

const NEWLINE = 10;
const RETURN = 13;

type Line = { readonly bytes: Buffer; readonly line: number };

/** Lines without what ends them. A line that is too large is reported and passed over. */
function* lines(path: string, chunks: Chunks, report: Reported): Generator<Line> {
  const ends = lineEnds(path, report);
  let rest: Buffer[] = [];
  let held = 0;
  let line = 1;
  /** The line was reported as too large: what is left of it is passed over. */
  let lost = false;
  for (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const piece = chunk.subarray(from, end);
      const bytes = rest.length === 0 ? piece : Buffer.concat([...rest, piece]);
      const isReturn = bytes[bytes.length - 1] === RETURN;
      if (!lost) {
        ends.add(isReturn, line);
        yield { bytes: isReturn ? bytes.subarray(0, -1) : bytes, line };
      }
      rest = [];
      held = 0;
      lost = false;
      line++;
      from = end + 1;
    }
    if (lost || from === chunk.length) continue;
    rest.push(chunk.subarray(from));
    held += chunk.length - from;
    if (held <= largestRow) continue;
    lost = true;
    rest = [];
    const message = `one row is larger than ${formatBytes(largestRow)}`;
    report('files/row-too-large', message, { file: path, line });
  }
  if (rest.length > 0) yield { bytes: Buffer.concat(rest), line };
  ends.end();
}

export function* textRows(path: string, chunks: Chunks, report: Reported): Generator<RawRow> {
  let row = 0;
  for (const { bytes, line } of lines(path, chunks, report)) {
    const place: Place = { file: path, line, row: row++ };
    const text = decodeText(bytes, place, report);
    if (text === undefined) continue;
    yield {
      value: { text },
      place,
      source: { text, start: { ...place, column: 1 }, kind: 'line' },
    };
  }
}

export function* lineRows(path: string, chunks: Chunks, report: Reported): Generator<RawRow> {
  let row = 0;
  for (const { bytes, line } of lines(path, chunks, report)) {
    const place: Place = { file: path, line, row };
    if (isBlank(bytes)) {
      report('files/blank-line', 'the line is blank', { file: path, line });
      continue;
    }
    row++;
    const text = decodeText(bytes, place, report);
    if (text === undefined) continue;
    const value = parseLenient(text, { ...place, column: 1 }, report);
    if (value === undefined) continue;
    if (!isJsonObject(value)) {
      report(
        'files/row-not-object',
        `a row must be an object, and this one is ${describe(value)}`,
        place,
      );
      continue;
    }
    yield { value, place, source: { text, start: { ...place, column: 1 }, kind: 'json' } };
  }
}

function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 32 && byte !== 9 && byte !== RETURN) return false;
  return true;
}
