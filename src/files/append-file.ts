/** @file Append-only files of lines or records: one write for each, a torn end cut off when the file is opened again. */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { writeFault } from './errors.ts';

export type AppendFile = {
  readonly path: string;
  append(data: string | Uint8Array): void;
  /** Bytes of what stands there whole. */
  size(): number;
  /** Makes sure that all of it outlives a power cut. */
  sync(): void;
  close(): void;
};

/** `end` gives the length to keep of a file that has `size` bytes. */
export function openAppend(path: string, end: (fd: number, size: number) => number): AppendFile {
  let fd: number;
  let size: number;
  try {
    fd = openSync(path, 'a+');
    size = fstatSync(fd).size;
    const keep = end(fd, size);
    if (keep < size) ftruncateSync(fd, keep);
    size = Math.min(keep, size);
  } catch (error) {
    throw writeFault(path, error);
  }
  return {
    path,
    append(data) {
      const bytes = typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
      let at = 0;
      try {
        while (at < bytes.length) at += writeSync(fd, bytes, at);
        size += bytes.length;
      } catch (error) {
        // A full disk may have taken half of it.
        if (at > 0) ftruncateSync(fd, size);
        throw writeFault(path, error);
      }
    },
    size: () => size,
    sync() {
      try {
        fsyncSync(fd);
      } catch (error) {
        throw writeFault(path, error);
      }
    },
    close: () => closeSync(fd),
  };
}

/** Where the last whole line ends: for `openAppend`. */
export function lastNewline(fd: number, size: number): number {
  const piece = Buffer.alloc(64 << 10);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - piece.length);
    const count = readSync(fd, piece, 0, end - start, start);
    const at = piece.subarray(0, count).lastIndexOf(10);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}
