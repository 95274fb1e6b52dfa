/** @file SHA-256 of files and values: content identity for caches, manifests and downloads. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { readFault } from './errors.ts';

/** Lower-case hex SHA-256 of a file, read in pieces. */
export function digestFile(path: string, progress?: (bytes: number) => void): string {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(4 << 20);
  try {
    const fd = openSync(path, 'r');
    try {
      let done = 0;
      for (;;) {
        const count = readSync(fd, piece, 0, piece.length, null);
        if (count === 0) return hash.digest('hex');
        hash.update(piece.subarray(0, count));
        done += count;
        progress?.(done);
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw readFault(path, error);
  }
}

/** Lower-case hex SHA-256 of texts and bytes; each is framed by its length, so that no two lists collide. */
export function digestOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'utf8') : part;
    hash.update(`${bytes.length}:`);
    hash.update(bytes);
  }
  return hash.digest('hex');
}
