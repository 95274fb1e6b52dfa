/**
 * @file The files of a repository that someone needs, from the cache or else from its hub. A snapshot's links are
 * made when all its blobs are there, so what looks whole is whole.
 */
import { copyFileSync, existsSync, lstatSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { TuneryError } from '../core/errors.ts';
import { freeDisk, makeFolder, writeFileAtomic } from './atomic.ts';
import { writeFault } from './errors.ts';
import type { Asking, Hub, HubFile, Listing, Located } from './hub.ts';
import { blobPath, fetchBlob } from './hub-blob.ts';
import {
  filesOfSnapshot,
  findSnapshot,
  isRevision,
  type Repository,
  repositoryFolder,
  type Snapshot,
} from './hub-cache.ts';
import { hubDiskFull, hubNotFound, hubOffline, revisionNotFound } from './hub-errors.ts';
import { isInside, sumOf } from './hub-huggingface.ts';
import { isJsonObject, type JsonObject, readJson } from './json.ts';

export type FetchPlan = {
  readonly repository: Repository;
  readonly files: number;
  readonly bytes: number;
  readonly host: string;
};

export type FetchOptions = Asking & {
  /** Branch, tag or commit; unset is the hub's main branch. */
  readonly revision?: string | undefined;
  /** Which of the repository's files are needed. What it throws is told. */
  readonly choose: (files: readonly HubFile[]) => readonly string[];
  /** Files whose absence is noted, as `huggingface_hub` does for those that it looked for in vain. */
  readonly optional?: readonly string[];
  /**
   * Whether a snapshot of the cache, which another program may have left incomplete, serves as it is. It is asked
   * only where the repository's list of files is not known; unset is no.
   */
  readonly serves?: (snapshot: Snapshot, paths: readonly string[]) => boolean;
  /** What an earlier call found there, so that the hub need not be asked again. */
  readonly listing?: Listing;
  /** Told once, before the first byte. */
  readonly announce?: (plan: FetchPlan) => void;
  readonly progress?: (bytes: number, expected: number) => void;
  /** Told where the cache has to serve because the hub cannot. */
  readonly note?: (text: string) => void;
};

export type Fetched = Snapshot & {
  /** Paths inside the folder, in the order of `choose`. */
  readonly files: readonly string[];
  /** All that the repository holds at this commit, as far as is known. */
  readonly listing: Listing;
};

/** Files that are fetched at once: small ones wait for answers more than for bytes. */
const atOnce = 4;

export async function fetchSnapshot(
  hub: Hub,
  repository: Repository,
  options: FetchOptions,
): Promise<Fetched> {
  const revision = options.revision ?? hub.mainRevision;
  if (!isRevision(revision)) throw revisionNotFound(repository, revision);
  if (options.listing) return fetchListed(hub, repository, revision, options.listing, options);
  try {
    const cached = fromCache(hub, repository, revision, options);
    if (cached) return cached;
  } catch (error) {
    // What a list of earlier days lacks may be there by now.
    if (!(error instanceof TuneryError) || hub.access.offline !== undefined) throw error;
  }
  if (hub.access.offline !== undefined) {
    const partial = asItIs(hub, repository, revision, options, `\`${hub.access.offline}\` is set`);
    if (partial) return partial;
    throw hubOffline(repository, hub.cache, hub.access.offline);
  }
  let listing: Listing;
  try {
    listing = await hub.list(repository, revision, options);
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    const partial = asItIs(hub, repository, revision, options, error.message);
    if (partial) return partial;
    throw error;
  }
  return fetchListed(hub, repository, revision, listing, options);
}

/** What the cache alone can give, where it is known to be whole. */
function fromCache(
  hub: Hub,
  repository: Repository,
  revision: string,
  { choose, serves }: FetchOptions,
): Fetched | undefined {
  const snapshot = findSnapshot(repository, revision, hub.cache);
  if (!snapshot) return undefined;
  const listed = readListing(hub, repository, snapshot.commit);
  if (listed) {
    const files = choose(listed);
    return files.every((path) => existsSync(join(snapshot.folder, path)))
      ? { ...snapshot, files, listing: { commit: snapshot.commit, files: listed } }
      : undefined;
  }
  const paths = filesOfSnapshot(snapshot);
  if (!serves?.(snapshot, paths)) return undefined;
  const unsure = paths.map(unlisted);
  return {
    ...snapshot,
    files: choose(unsure),
    listing: { commit: snapshot.commit, files: unsure },
  };
}

const unlisted = (path: string): HubFile => ({ path, size: undefined, sum: undefined });

/** A snapshot that may lack files, where nothing better can be had. */
function asItIs(
  hub: Hub,
  repository: Repository,
  revision: string,
  { choose, note }: FetchOptions,
  why: string,
): Fetched | undefined {
  const snapshot = findSnapshot(repository, revision, hub.cache);
  // Where the list of files is known, so is that some are lacking.
  if (!snapshot || readListing(hub, repository, snapshot.commit)) return undefined;
  try {
    const all = filesOfSnapshot(snapshot).map(unlisted);
    const files = choose(all);
    if (all.length === 0) return undefined;
    note?.(`${repository.id} is taken from ${hub.cache} as it lies there: ${why}`);
    return { ...snapshot, files, listing: { commit: snapshot.commit, files: all } };
  } catch (error) {
    if (error instanceof TuneryError) return undefined;
    throw error;
  }
}

async function fetchListed(
  hub: Hub,
  repository: Repository,
  revision: string,
  { commit, files }: Listing,
  options: FetchOptions,
): Promise<Fetched> {
  if (files.length === 0) throw hubNotFound(repository, hub.host, hub.access.token !== undefined);
  const wanted = options.choose(files);
  const folder = join(repositoryFolder(repository, hub.cache), 'snapshots', commit);
  const missing = wanted.filter((path) => !existsSync(join(folder, path)));
  if (missing.length > 0 && hub.access.offline !== undefined)
    throw hubOffline(repository, hub.cache, hub.access.offline);
  const byPath = new Map(files.map((file) => [file.path, file]));
  // One failure ends the others: nothing is fetched for a repository that cannot be had.
  const failed = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
  const asking: Asking = { ...options, signal };
  const each = <T, U>(list: readonly T[], work: (item: T) => Promise<U>): Promise<U[]> =>
    inParallel(list, work).catch((error: unknown) => {
      failed.abort();
      throw error;
    });

  const located = await each(missing, (path) =>
    hub.locate(repository, { commit, revision }, byPath.get(path) ?? unlisted(path), asking),
  );
  const lacking = [
    ...new Map(
      located
        .filter(({ etag }) => !existsSync(blobPath(hub, repository, etag)))
        .map((file) => [file.etag, file]),
    ).values(),
  ];
  if (lacking.length > 0) {
    await fetchAll(hub, repository, lacking, { ...options, signal }, each);
  }
  const absent = (options.optional ?? []).filter((path) => !byPath.has(path));
  try {
    // In this order: while links are lacking, the list of files tells so.
    writeFileAtomic(listingPath(hub, repository, commit), JSON.stringify(asListing(files)));
    for (const { path, etag } of located) link(blobPath(hub, repository, etag), join(folder, path));
    remember(hub, repository, revision, commit, absent);
  } catch (error) {
    // A cache that is whole, and may only be read, serves as well.
    if (located.length > 0 || !(error instanceof TuneryError)) throw error;
  }
  return { folder, commit, files: wanted, listing: { commit, files } };
}

async function fetchAll(
  hub: Hub,
  repository: Repository,
  lacking: readonly Located[],
  options: FetchOptions,
  each: <T, U>(list: readonly T[], work: (item: T) => Promise<U>) => Promise<U[]>,
): Promise<void> {
  const bytes = lacking.reduce((sum, { size }) => sum + (size ?? 0), 0);
  const free = freeDisk(hub.cache);
  if (free < bytes) throw hubDiskFull(repository, hub.cache, bytes, free);
  options.announce?.({ repository, files: lacking.length, bytes, host: hub.host });
  let had = 0;
  await each(lacking, (file) =>
    fetchBlob(hub, repository, file, {
      signal: options.signal,
      patience: options.patience,
      progress: (count) => {
        had += count;
        options.progress?.(Math.min(had, bytes), bytes);
      },
    }),
  );
}

async function inParallel<T, U>(list: readonly T[], work: (item: T) => Promise<U>): Promise<U[]> {
  const results: U[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < list.length) {
      const index = next++;
      results[index] = await work(list[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, list.length) }, lane));
  return results;
}

/** A relative link to the blob, so that the cache may be moved; a copy where the file system has no links. */
function link(blob: string, path: string): void {
  try {
    makeFolder(dirname(path));
    // A link whose blob is gone.
    if (lstatSync(path, { throwIfNoEntry: false })) rmSync(path);
    try {
      symlinkSync(relative(dirname(path), blob), path);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EEXIST') return;
      copyFileSync(blob, `${path}.tunery-new`);
      renameSync(`${path}.tunery-new`, path);
    }
  } catch (error) {
    throw writeFault(path, error);
  }
}

/** The branch's commit, and which files it lacks. */
function remember(
  hub: Hub,
  repository: Repository,
  revision: string,
  commit: string,
  absent: readonly string[],
): void {
  const root = repositoryFolder(repository, hub.cache);
  for (const path of absent) writeFileAtomic(join(root, '.no_exist', commit, path), '');
  if (revision !== commit) writeFileAtomic(join(root, 'refs', revision), commit);
}

/** Not among `trees/`, which `huggingface_hub` reads as a promise that all of them were fetched. */
const listingPath = (hub: Hub, repository: Repository, commit: string): string =>
  join(repositoryFolder(repository, hub.cache), '.tunery', `${commit}.json`);

const asListing = (files: readonly HubFile[]) => ({
  format_version: 1,
  files: Object.fromEntries(
    files.map(({ path, size, sum }) => [path, { size: size ?? null, sum: sum?.hex ?? null }]),
  ),
});

/** The files of a commit, as we or `huggingface_hub` noted them. */
function readListing(
  hub: Hub,
  repository: Repository,
  commit: string,
): readonly HubFile[] | undefined {
  const tree = join(repositoryFolder(repository, hub.cache), 'trees', `${commit}.json`);
  for (const path of [listingPath(hub, repository, commit), tree]) {
    if (!existsSync(path)) continue;
    try {
      const value = readJson(path);
      if (!isJsonObject(value) || !isJsonObject(value.files ?? null)) continue;
      return Object.entries(value.files as JsonObject).flatMap(([name, entry]) =>
        isInside(name) && isJsonObject(entry) ? [noted(name, entry)] : [],
      );
    } catch (error) {
      // A damaged note is as good as none.
      if (!(error instanceof TuneryError)) throw error;
    }
  }
  return undefined;
}

function noted(path: string, entry: JsonObject): HubFile {
  const { size, sum, lfs_sha256: sha256, blob_id: git } = entry;
  const hex = [sum, sha256, git].find((each) => typeof each === 'string');
  return {
    path,
    size: typeof size === 'number' ? size : undefined,
    sum: typeof hex === 'string' ? sumOf(hex) : undefined,
  };
}
