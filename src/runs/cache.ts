/** @file What lies in the cache: prepared sets, plans, models and hub files, with their sizes; and what of it may go. */
import { type Dirent, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { TuneryError } from '../core/errors.ts';
import { type Manifest, readManifest } from '../data/prepared.ts';
import { verifyPrepared } from '../data/verify-prepared.ts';
import { sweepLeftovers } from '../files/atomic.ts';
import { digestFile } from '../files/digest.ts';
import { hubCacheFolder, tuneryCache } from '../files/hub-cache.ts';
import { recall } from '../files/known-digest.ts';
import { lockFile } from '../native/lock.ts';

export type CacheKind = 'prepared' | 'plan' | 'model' | 'hub';

export type CacheEntry = {
  readonly kind: CacheKind;
  /** The name of its folder or file; of a prepared set, what decides its content. */
  readonly id: string;
  readonly path: string;
  readonly bytes: number;
  /** When it was last made or taken. */
  readonly used: Date;
  /** Of a prepared set that can be read. */
  readonly manifest?: Manifest;
};

const preparedFolder = (): string => join(tuneryCache(), 'prepared');

/** Newest first within each kind. */
export function listCache(): CacheEntry[] {
  const entries = [
    ...entriesOf('prepared', preparedFolder(), (entry) => /^[0-9a-f]{32}$/.test(entry.name)),
    ...entriesOf('plan', join(tuneryCache(), 'plans')),
    ...entriesOf('model', join(tuneryCache(), 'models')),
    ...entriesOf('model', join(tuneryCache(), 'torch-models')),
    ...entriesOf('hub', hubCacheFolder(), (entry) => /^(models|datasets)--/.test(entry.name)),
    ...entriesOf('hub', join(tuneryCache(), 'modelscope')),
  ];
  return entries.map((entry) => {
    const manifest = entry.kind === 'prepared' ? manifestOf(entry.path) : undefined;
    return manifest ? { ...entry, manifest } : entry;
  });
}

function entriesOf(
  kind: CacheKind,
  folder: string,
  belongs: (entry: Dirent) => boolean = () => true,
): CacheEntry[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith('.') && belongs(entry))
    .map((entry) => {
      const path = join(folder, entry.name);
      return { kind, id: entry.name, path, bytes: bytesOf(path), used: statSync(path).mtime };
    })
    .sort((a, b) => b.used.getTime() - a.used.getTime());
}

/** What it takes of the disk; a link takes nothing. */
function bytesOf(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function manifestOf(folder: string): Manifest | undefined {
  try {
    return readManifest(folder);
  } catch (error) {
    if (error instanceof TuneryError) return undefined;
    throw error;
  }
}

export type Verified = { readonly entry: CacheEntry; readonly fault: string | undefined };

/** Reads every prepared set whole, in turn. */
export function* verifySets(): Generator<Verified> {
  for (const entry of listCache()) {
    if (entry.kind !== 'prepared') continue;
    yield { entry, fault: faultOf(entry.path) };
  }
}

function faultOf(folder: string): string | undefined {
  try {
    return verifyPrepared(folder) ? undefined : 'its columns are not those that were written';
  } catch (error) {
    if (error instanceof TuneryError) return error.message;
    throw error;
  }
}

export type VerifiedFile = { readonly path: string; readonly fault: string | undefined };

/** Reads every data file again whose digest is remembered; a digest that is wrong is forgotten. */
export function* verifyDigests(): Generator<VerifiedFile> {
  const folder = join(preparedFolder(), 'digests');
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const note = join(folder, name);
    const known = recall(note);
    if (known && !existsSync(known.path)) {
      rmSync(note, { force: true });
      continue;
    }
    if (!known) continue;
    const same = digestFile(known.path) === known.digest;
    if (!same) rmSync(note, { force: true });
    yield {
      path: known.path,
      fault: same ? undefined : 'the file is another than the one that was remembered',
    };
  }
}

export type PruneOptions = {
  /** Prepared sets and plans that were not taken since go. */
  readonly before: Date | undefined;
  /** Those that were not taken for the longest time go until what is left takes no more bytes. */
  readonly keepBytes: number | undefined;
  readonly dryRun: boolean;
};

export type Pruned = { readonly entry: CacheEntry; readonly why: string };

/** Removes what can be made again: prepared sets and plans. Models and hub files stay. */
export function pruneCache({ before, keepBytes, dryRun }: PruneOptions): Pruned[] {
  const entries = listCache().filter(({ kind }) => kind === 'prepared' || kind === 'plan');
  const pruned: Pruned[] = [];
  let kept = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const oldest = entries.toSorted((a, b) => a.used.getTime() - b.used.getTime());
  for (const entry of oldest) {
    const why = whyPruned(entry, before, keepBytes !== undefined && kept > keepBytes);
    if (why === undefined || isBeingMade(entry)) continue;
    pruned.push({ entry, why });
    kept -= entry.bytes;
    if (!dryRun) rmSync(entry.path, { recursive: true, force: true });
  }
  if (!dryRun) sweepLeftovers(preparedFolder());
  return pruned;
}

function whyPruned(entry: CacheEntry, before: Date | undefined, over: boolean): string | undefined {
  if (entry.kind === 'prepared' && !entry.manifest) return 'it cannot be read';
  if (before && entry.used < before) return 'it was not taken for so long';
  return over ? 'the cache is larger than it may be' : undefined;
}

/** Whether a process holds the lock of a set: its halves have one name, so this errs to neither side for long. */
function isBeingMade({ kind, path }: CacheEntry): boolean {
  const lock = join(preparedFolder(), 'locks', `${basename(path)}.lock`);
  if (kind !== 'prepared' || !existsSync(lock)) return false;
  const mine = lockFile(lock);
  mine?.release();
  return mine === undefined;
}
