/** @file The bytes of a file in order, a chunk at a time: what every row reader begins with. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { notRegular, readFault } from './errors.ts';

export type Chunks = Generator<Buffer, void, undefined>;

const defaultChunkBytes = 1 << 20;

/** An open file; `close` it. */
export type OpenFile = {
  readonly size: number;
  /** Fills `into` from `position` on, or from where the last such read ended; returns the count of bytes. */
  readonly read: (into: Uint8Array, position: number | null) => number;
  readonly close: () => void;
};

/**
 * Opens a regular file. Anything else is refused: a pipe would wait for a writer, and has nothing left for the
 * second reading that a digest or a token view needs.
 */
export function openFile(path: string): OpenFile {
  let fd: number;
  let stats: Stats;
  try {
    // Without O_NONBLOCK, opening a pipe would wait; on a regular file it does nothing.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    stats = fstatSync(fd);
  } catch (error) {
    throw readFault(path, error);
  }
  const close = (): void => closeSync(fd);
  if (!stats.isFile()) {
    close();
    throw notRegular(path, kindOf(stats));
  }
  return {
    size: stats.size,
    read(into, position) {
      try {
        return readSync(fd, into, 0, into.length, position);
      } catch (error) {
        throw readFault(path, error);
      }
    },
    close,
  };
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
}

export function* readChunks(path: string, chunkBytes = defaultChunkBytes): Chunks {
  const file = openFile(path);
  try {
    let left = file.size;
    for (;;) {
      // A fresh one each time: the reader keeps pieces of the last. One byte tells that nothing was added meanwhile.
      const chunk = Buffer.allocUnsafeSlow(Math.max(1, Math.min(chunkBytes, left)));
      const count = file.read(chunk, null);
      if (count === 0) return;
      yield chunk.subarray(0, count);
      left -= count;
    }
  } finally {
    file.close();
  }
}

const mark = Buffer.from([0xef, 0xbb, 0xbf]);

/** The chunks without the byte order mark of UTF-8. */
export function* skipMark(chunks: Chunks): Chunks {
  try {
    let start: Buffer = Buffer.alloc(0);
    while (start.length < mark.length) {
      // Not `for … of`: leaving it would close what is still to be read.
      const next = chunks.next();
      if (next.done) break;
      start = start.length === 0 ? next.value : Buffer.concat([start, next.value]);
    }
    if (start.subarray(0, mark.length).equals(mark)) start = start.subarray(mark.length);
    if (start.length > 0) yield start;
    yield* chunks;
  } finally {
    chunks.return();
  }
}
