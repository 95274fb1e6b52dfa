/** @file Rows put on the disk so that they can be read in any order: what mixing, sampling and splitting stand on. */
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import type { Place } from '../core/errors.ts';
import { writeFault } from '../files/errors.ts';
import { jsonOf, parsedRow, type RawRow, rowOfJson } from './raw-row.ts';

export type RowSpool = {
  readonly count: number;
  append(row: RawRow): void;
  read(index: number): RawRow;
  /** Removes the file. */
  close(): void;
};

const pieceBytes = 1 << 20;

const NEWLINE = 10;

/** A row is its source and its place, a line each, and then its JSON. */
export function createRowSpool(path: string): RowSpool {
  const fd = openSync(path, 'wx+', 0o600);
  let ends = new Float64Array(1024);
  let count = 0;
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let written = 0;

  const flush = (): void => {
    const bytes = Buffer.concat(held);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    } catch (error) {
      throw writeFault(path, error, undefined, undefined);
    }
    written += bytes.length;
    held = [];
    heldBytes = 0;
  };

  return {
    get count() {
      return count;
    },
    append(row) {
      // A fault of its JSON shows here, in the order of the files.
      const { source, place } = parsedRow(row);
      const head = Buffer.from(`${source}\n${JSON.stringify(place)}\n`);
      const { bytes } = jsonOf(row);
      held.push(head, bytes);
      heldBytes += head.length + bytes.length;
      if (count === ends.length) {
        const wider = new Float64Array(2 * count);
        wider.set(ends);
        ends = wider;
      }
      ends[count++] = written + heldBytes;
      if (heldBytes >= pieceBytes) flush();
    },
    read(index) {
      if (heldBytes > 0) flush();
      const from = index === 0 ? 0 : ends[index - 1];
      const length = ends[index] - from;
      const row = Buffer.allocUnsafe(length);
      for (let at = 0; at < length; ) {
        const got = readSync(fd, row, at, length - at, from + at);
        if (got === 0) throw new Error(`${path} is shorter than what was written to it`);
        at += got;
      }
      const first = row.indexOf(NEWLINE);
      const second = row.indexOf(NEWLINE, first + 1);
      const source = Number(row.toString('utf8', 0, first));
      // What `append` wrote.
      const place = JSON.parse(row.toString('utf8', first + 1, second)) as Place;
      const bytes = row.subarray(second + 1);
      return rowOfJson(source, { bytes, start: place, checked: true }, place);
    },
    close() {
      closeSync(fd);
      rmSync(path, { force: true });
    },
  };
}
