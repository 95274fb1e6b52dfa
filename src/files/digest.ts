/** @file SHA-256 of files and values: content identity for caches, manifests and downloads. */
import { createHash } from 'node:crypto';
import { readChunks } from './chunks.ts';

/** Lower-case hex SHA-256 of a file, read in pieces. */
export function digestFile(path: string, progress?: (bytes: number) => void): string {
  const hash = createHash('sha256');
  let done = 0;
  for (const chunk of readChunks(path)) {
    hash.update(chunk);
    done += chunk.length;
    progress?.(done);
  }
  return hash.digest('hex');
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
