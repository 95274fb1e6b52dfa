/** @file Rows on their way to another thread: their JSON text end to end in one buffer, and where each stands. */
import type { Place } from '../core/errors.ts';
import { Growing } from './growing.ts';
import { jsonOf, type RawRow, rowOfJson } from './raw-row.ts';

const rowNumbers = [
  /** Where the row's text ends. */
  'end',
  'source',
  /** Index in `files`. */
  'file',
  /** Of the row's place: 0 where it has no line, −1 where it has no number. */
  'line',
  'row',
  /** Where its text begins: 0 where that is not known. */
  'start_line',
  'start_column',
  /** 1 where the text was read before. */
  'checked',
] as const;
type RowNumber = (typeof rowNumbers)[number];

export type SentRows = {
  /** Longer than the texts are: it is made to be used again. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly numbers: Readonly<Record<RowNumber, Int32Array<ArrayBuffer>>>;
  readonly files: readonly string[];
};

export type RowPacker = {
  readonly rows: number;
  /** Bytes of their texts. */
  readonly bytes: number;
  add(row: RawRow): void;
  /** All that was added; the next ones go into a buffer of their own. */
  take(): SentRows;
  /** A buffer whose rows are done with. */
  giveBack(bytes: Uint8Array<ArrayBuffer>): void;
};

/** `capacity`: bytes that mostly suffice. */
export function createRowPacker(capacity: number): RowPacker {
  const free: Uint8Array<ArrayBuffer>[] = [];
  const next = (): Uint8Array<ArrayBuffer> => free.pop() ?? new Uint8Array(capacity);
  const numbers = new Map(rowNumbers.map((name) => [name, new Growing(1024)]));
  const put = (name: RowNumber, value: number): void => numbers.get(name)?.push(value);
  const files = new Map<string, number>();
  let bytes = next();
  let at = 0;
  let rows = 0;

  return {
    get rows() {
      return rows;
    },
    get bytes() {
      return at;
    },
    add(row) {
      const { source, place } = row;
      const { bytes: text, start, checked } = jsonOf(row);
      if (at + text.length > bytes.length) {
        const longer = new Uint8Array(Math.max(at + text.length, 2 * bytes.length));
        longer.set(bytes.subarray(0, at));
        bytes = longer;
      }
      bytes.set(text, at);
      at += text.length;
      const file = files.get(place.file) ?? files.size;
      files.set(place.file, file);
      put('end', at);
      put('source', source);
      put('file', file);
      put('line', place.line ?? 0);
      put('row', place.row ?? -1);
      put('start_line', start.line ?? 0);
      put('start_column', start.column ?? 0);
      put('checked', checked ? 1 : 0);
      rows++;
    },
    take() {
      const taken = Object.fromEntries([...numbers].map(([name, values]) => [name, values.take()]));
      const sent = { bytes, numbers: taken as SentRows['numbers'], files: [...files.keys()] };
      files.clear();
      bytes = next();
      at = 0;
      rows = 0;
      return sent;
    },
    giveBack(done) {
      // One that a very long row needed is not kept.
      if (done.length === capacity) free.push(done);
    },
  };
}

/** The rows, which are views of the buffer. */
export function readSent({ bytes, numbers, files }: SentRows): RawRow[] {
  let from = 0;
  return Array.from(numbers.end, (end, i) => {
    const text = bytes.subarray(from, end);
    from = end;
    const file = files[numbers.file[i]];
    const row = numbers.row[i];
    const place = placeOf(file, numbers.line[i], 0, row);
    const start = placeOf(file, numbers.start_line[i], numbers.start_column[i], row);
    const checked = numbers.checked[i] === 1;
    return rowOfJson(numbers.source[i], { bytes: text, start, checked }, place);
  });
}

const placeOf = (file: string, line: number, column: number, row: number): Place => ({
  file,
  ...(line > 0 ? { line } : {}),
  ...(column > 0 ? { column } : {}),
  ...(row >= 0 ? { row } : {}),
});
