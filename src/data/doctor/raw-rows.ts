/**
 * @file Rows of a file with the text they were written in. A broken row is reported and reading goes on at the
 * next, so that one defect does not hide another. Memory is bounded by the largest row.
 */
import { TuneryError } from '../../core/errors.ts';
import { type Chunks, readChunks } from '../../files/chunks.ts';
import { gunzip } from '../../files/inflate.ts';
import { checkEnding, readRows, rowEnding } from '../../files/rows.ts';
import { arrayRows } from './array-rows.ts';
import { lineRows, textRows } from './line-rows.ts';
import type { RawRow, Reported } from './raw-row.ts';

/** Endings whose text is read here, so that reading can go on behind a fault. */
const textual = ['.json', '.jsonl', '.txt'];

const packed = '.gz';

/** The ending of a file's content: of `rows.jsonl.gz`, `.jsonl`. */
export function contentEnding(path: string): string {
  const ending = rowEnding(path);
  return ending.endsWith(packed) ? ending.slice(0, -packed.length) : ending;
}

export function* readRaw(path: string, report: Reported): Generator<RawRow, void, undefined> {
  if (!textual.includes(contentEnding(path))) {
    yield* strictRows(path, report);
    return;
  }
  try {
    checkEnding(path);
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    report(error.code, error.message, error.place ?? { file: path }, error.help);
    return;
  }
  const bytes = readChunks(path);
  const isPacked = rowEnding(path).endsWith(packed);
  const chunks = isPacked ? unpacked(path, bytes, report) : bytes;
  try {
    const first = chunks.next().value ?? Buffer.alloc(0);
    const marked = first[0] === 0xef && first[1] === 0xbb && first[2] === 0xbf;
    if (marked)
      report('files/byte-order-mark', 'the file begins with a byte order mark', {
        file: path,
        line: 1,
        column: 1,
      });
    const begin = marked ? first.subarray(3) : first;
    const source = joined(begin, chunks);
    switch (layoutOf(path, begin)) {
      case 'array':
        yield* arrayRows(path, source, report);
        break;
      case 'lines':
        yield* lineRows(path, source, report);
        break;
      case 'text':
        yield* textRows(path, source, report);
        break;
      case 'values':
        yield* strictRows(path, report);
    }
  } finally {
    chunks.return(undefined);
  }
}

type Layout = 'array' | 'lines' | 'text' | 'values';

/** A `.json` may hold a row a line, and a `.jsonl` an array: what stands in it decides. */
export function layoutOf(path: string, begin: Buffer): Layout {
  const ending = contentEnding(path);
  if (ending === '.txt') return 'text';
  const head = begin.toString('utf8', 0, Math.min(begin.length, 1 << 16)).trimStart();
  const [line = '', ...rest] = head.split('\n');
  if (head.startsWith('[')) {
    // Lines of which the first happens to be a list.
    const closed = ending === '.jsonl' && isWhole(line) && rest.some((each) => each.trim() !== '');
    return closed ? 'lines' : 'array';
  }
  if (ending === '.jsonl' || rest.length === 0 || isWhole(line)) return 'lines';
  return /^\{\s*$/.test(line) ? 'values' : 'lines';
}

function isWhole(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** What a packed file holds, up to where it is broken. */
function* unpacked(path: string, bytes: Chunks, report: Reported): Chunks {
  try {
    yield* gunzip(path, bytes);
  } catch (error) {
    reportEnd(path, error, report);
  }
}

/** An error that ends the reading of a file. */
function reportEnd(path: string, error: unknown, report: Reported): void {
  if (!(error instanceof TuneryError)) throw error;
  const { code, message, place = { file: path }, help } = error;
  report(code, `${message}; nothing after it was read`, place, help);
}

function* joined(first: Buffer, rest: Chunks): Chunks {
  if (first.length > 0) yield first;
  yield* rest;
}

/** What the project's own readers give, up to their first fault; a table's row of too many cells is left out. */
function* strictRows(path: string, report: Reported): Generator<RawRow> {
  try {
    yield* readRows(path, {
      onBadRow: ({ code, message, place = { file: path }, help }) =>
        report(code, message, place, help),
    });
  } catch (error) {
    reportEnd(path, error, report);
  }
}
