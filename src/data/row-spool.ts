/** @file Rows put on the disk so that they can be read in any order: what mixing, sampling and splitting stand on. */
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import type { Place } from '../core/errors.ts';
import { writeFault } from '../files/errors.ts';
import { fromText, type RawRow, toText } from './raw-row.ts';

export type RowSpool = {
  readonly count: number;
  append(row: RawRow): void;
  read(index: number): RawRow;
  /** Removes the file. */
  close(): void;
};

const pieceBytes = 1 << 20;

/** A row is three lines: its source, its place, its value; JSON has no line breaks of its own. */
export function createRowSpool(path: string): RowSpool {
  const fd = openSync(path, 'wx+', 0o600);
  let ends = new Float64Array(1024);
  let count = 0;
  let held: Buffer[] = [];
  let heldBytes = 0;
  let written = 0;
  let scratch = Buffer.alloc(1 << 16);

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
      const { source, text, place } = toText(row);
      const bytes = Buffer.from(`${source}\n${JSON.stringify(place)}\n${text}`);
      held.push(bytes);
      heldBytes += bytes.length;
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
      if (scratch.length < length) scratch = Buffer.alloc(2 * length);
      for (let at = 0; at < length; ) {
        const got = readSync(fd, scratch, at, length - at, from + at);
        if (got === 0) throw new Error(`${path} is shorter than what was written to it`);
        at += got;
      }
      const whole = scratch.toString('utf8', 0, length);
      const first = whole.indexOf('\n');
      const second = whole.indexOf('\n', first + 1);
      // What `append` wrote.
      const place = JSON.parse(whole.slice(first + 1, second)) as Place;
      return fromText({
        source: Number(whole.slice(0, first)),
        text: whole.slice(second + 1),
        place,
      });
    },
    close() {
      closeSync(fd);
      rmSync(path, { force: true });
    },
  };
}
