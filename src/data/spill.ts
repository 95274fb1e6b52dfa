/** @file A column on its way to the disk: appended to a file of its own, digested as it goes, read back once it is whole. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';

/** Bytes that are held before they are written, and read at a time. */
const pieceBytes = 1 << 20;

export type Spill = {
  readonly bytes: number;
  append(values: ArrayBufferView): void;
  /** SHA-256 of all that was appended. */
  digest(): string;
  /** All of it, in pieces. */
  read(): Generator<Uint8Array>;
  /** Removes the file. */
  close(): void;
};

export function createSpill(path: string): Spill {
  const fd = openSync(path, 'wx+', 0o600);
  const hash = createHash('sha256');
  const held = new Uint8Array(pieceBytes);
  let filled = 0;
  let written = 0;

  const write = (bytes: Uint8Array): void => {
    hash.update(bytes);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    written += bytes.length;
  };
  const flush = (): void => {
    if (filled > 0) write(held.subarray(0, filled));
    filled = 0;
  };

  return {
    get bytes() {
      return written + filled;
    },
    append(values) {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      if (filled + bytes.length > held.length) flush();
      if (bytes.length > held.length) return write(bytes);
      held.set(bytes, filled);
      filled += bytes.length;
    },
    digest() {
      flush();
      return hash.copy().digest('hex');
    },
    *read() {
      flush();
      const piece = new Uint8Array(pieceBytes);
      for (let at = 0; at < written; ) {
        const count = readSync(fd, piece, 0, piece.length, at);
        if (count === 0) throw new Error(`${path} is shorter than what was written to it`);
        yield piece.subarray(0, count);
        at += count;
      }
    },
    close() {
      closeSync(fd);
      rmSync(path, { force: true });
    },
  };
}
