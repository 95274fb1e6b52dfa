/**
 * @file Digests of large files, remembered: a file whose size, time of change and place on the disk are the same
 * is not read again. `tunery cache verify` reads all of them.
 */
import { type BigIntStats, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeFileAtomic } from './atomic.ts';
import { digestFile, digestOf } from './digest.ts';
import { readFault } from './errors.ts';

/** Below it, reading is as quick as looking up. */
const smallBytes = 1 << 20;

/** Nanoseconds after which a change is surely told by the time of change. */
const settledNs = 2_000_000_000n;

/** SHA-256 of a file. `memory` is a folder that is the caller's. */
export function digestKnownFile(path: string, memory: string): string {
  const before = stats(path);
  if (before.size < smallBytes) return digestFile(path);
  const note = join(memory, `${digestOf(resolve(path)).slice(0, 32)}.json`);
  const known = recall(note);
  if (known !== undefined && known.identity === identityOf(before)) return known.digest;
  const digest = digestFile(path);
  const after = stats(path);
  // A file that is being written is not remembered, nor one that could change again within a tick of the clock.
  const settled = BigInt(Date.now()) * 1_000_000n - after.mtimeNs > settledNs;
  if (settled && identityOf(after) === identityOf(before)) {
    writeFileAtomic(
      note,
      JSON.stringify({ path: resolve(path), identity: identityOf(after), digest }),
    );
  }
  return digest;
}

export type KnownDigest = {
  readonly path: string;
  readonly identity: string;
  readonly digest: string;
};

/** What a note says; undefined where there is none that can be read. */
export function recall(note: string): KnownDigest | undefined {
  try {
    const found: unknown = JSON.parse(readFileSync(note, 'utf8'));
    if (typeof found !== 'object' || found === null) return undefined;
    const [path, identity, digest] = ['path', 'identity', 'digest'].map((key): unknown =>
      Reflect.get(found, key),
    );
    if (typeof path !== 'string' || typeof identity !== 'string' || typeof digest !== 'string') {
      return undefined;
    }
    return { path, identity, digest };
  } catch {
    return undefined;
  }
}

function stats(path: string): BigIntStats {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    throw readFault(path, error);
  }
}

/** What a file has anew when it was written: size, times of change, and its place on the disk. */
const identityOf = ({ size, mtimeNs, ctimeNs, ino, dev }: BigIntStats): string =>
  [size, mtimeNs, ctimeNs, ino, dev].join(' ');
