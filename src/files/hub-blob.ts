/** @file One file of a hub into the cache's blobs: resumed, checked against its sum, and fetched by one process only. */
import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { waitForLock } from '../native/lock.ts';
import { freeDisk, makeFolder } from './atomic.ts';
import { writeFault } from './errors.ts';
import type { Asking, Hub, Located, Sum } from './hub.ts';
import { type Repository, repositoryFolder } from './hub-cache.ts';
import {
  hubDiskFull,
  hubRefused,
  hubUnreachable,
  hubWrongSize,
  hubWrongSum,
} from './hub-errors.ts';
import { ask, connectionFault, cutShort, patience, piecesOf, waitBefore } from './hub-http.ts';

export type BlobOptions = Asking & {
  /** Bytes that came, or that a resumed file had; less than nothing where they must be fetched anew. */
  readonly progress?: (bytes: number) => void;
};

export const blobPath = (hub: Hub, repository: Repository, etag: string): string =>
  join(repositoryFolder(repository, hub.cache), 'blobs', etag);

/** The path of the blob, fetched where the cache does not have it. */
export async function fetchBlob(
  hub: Hub,
  repository: Repository,
  file: Located,
  options: BlobOptions,
): Promise<string> {
  const path = blobPath(hub, repository, file.etag);
  if (existsSync(path)) return path;
  const locks = join(hub.cache, '.locks', basename(repositoryFolder(repository, hub.cache)));
  try {
    makeFolder(dirname(path));
    makeFolder(locks);
    const lock = await waitForLock(join(locks, `${file.etag}.lock`), options.signal);
    try {
      // Another process may have fetched it while this one waited.
      if (!existsSync(path)) await fetchInto(path, hub, repository, file, options);
    } finally {
      lock.release();
    }
    return path;
  } catch (error) {
    throw storeFault(path, hub, repository, error);
  }
}

function storeFault(path: string, hub: Hub, repository: Repository, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return error;
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT')
    return hubDiskFull(repository, hub.cache, undefined, freeDisk(hub.cache));
  return writeFault(path, error);
}

async function fetchInto(
  path: string,
  hub: Hub,
  repository: Repository,
  file: Located,
  options: BlobOptions,
): Promise<void> {
  const partial = `${path}.incomplete`;
  const resumed = sizeOf(partial) > 0;
  await download(partial, hub, repository, file, options);
  let fault = await check(partial, repository, file);
  if (fault && resumed) {
    // What an earlier attempt left was no beginning of this file.
    options.progress?.(-sizeOf(partial));
    rmSync(partial);
    await download(partial, hub, repository, file, options);
    fault = await check(partial, repository, file);
  }
  if (fault) {
    rmSync(partial);
    throw fault;
  }
  const fd = openSync(partial, 'r+');
  fsyncSync(fd);
  closeSync(fd);
  renameSync(partial, path);
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** Draws bytes until the file is whole. A cut connection is taken up where it broke, as long as each try brings something. */
async function download(
  partial: string,
  hub: Hub,
  repository: Repository,
  file: Located,
  options: BlobOptions,
): Promise<void> {
  const limits = options.patience ?? patience;
  if (file.size !== undefined && sizeOf(partial) > file.size) rmSync(partial);
  options.progress?.(sizeOf(partial));
  for (let failures = 0; ; ) {
    const before = sizeOf(partial);
    if (file.size !== undefined && before === file.size && before > 0) return;
    try {
      await drawOnce(partial, hub, repository, file, options);
      const now = sizeOf(partial);
      // Without a known size, the end of the answer is the end of the file.
      if (file.size === undefined || now >= file.size) return;
      throw cutShort();
    } catch (error) {
      options.signal?.throwIfAborted();
      const why = connectionFault(error);
      if (why === undefined) throw error;
      failures = sizeOf(partial) > before ? 1 : failures + 1;
      if (failures >= limits.attempts) throw hubUnreachable(hub.host, why, failures);
      await waitBefore(failures, limits, options.signal);
    }
  }
}

async function drawOnce(
  partial: string,
  hub: Hub,
  repository: Repository,
  file: Located,
  options: BlobOptions,
): Promise<void> {
  const at = sizeOf(partial);
  const response = await ask(file.url, {
    token: hub.access.token,
    headers: at > 0 ? { range: `bytes=${at}-` } : {},
    signal: options.signal,
    patience: options.patience,
  });
  if (response.status === 416) {
    await response.body?.cancel();
    return;
  }
  if (response.status !== 200 && response.status !== 206) {
    await response.body?.cancel();
    const hasToken = hub.access.token !== undefined;
    throw hubRefused(repository, hub.host, response.status, hasToken);
  }
  if (at > 0 && !continues(response, at)) {
    // A server that knows no ranges begins anew.
    options.progress?.(-at);
    truncateSync(partial, 0);
  }
  const fd = openSync(partial, 'a');
  try {
    for await (const piece of piecesOf(response, options.patience?.silenceMs)) {
      for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done);
      options.progress?.(piece.length);
    }
  } finally {
    closeSync(fd);
  }
}

const continues = (response: Response, at: number): boolean =>
  response.status === 206 &&
  (response.headers.get('content-range') ?? `bytes ${at}-`).startsWith(`bytes ${at}-`);

/** What is wrong with a file that came whole; undefined where nothing is. */
async function check(
  partial: string,
  repository: Repository,
  { path, size, sum }: Located,
): Promise<Error | undefined> {
  if (!existsSync(partial)) closeSync(openSync(partial, 'w'));
  const found = sizeOf(partial);
  if (size !== undefined && found !== size) return hubWrongSize(repository, path, size, found);
  if (!sum) return undefined;
  const hex = await sumOfFile(partial, found, sum.kind);
  return hex === sum.hex ? undefined : hubWrongSum(repository, path, sum.kind, sum.hex, hex);
}

async function sumOfFile(path: string, size: number, kind: Sum['kind']): Promise<string> {
  const hash: Hash = kind === 'SHA-256' ? createHash('sha256') : createHash('sha1');
  if (kind === 'git blob SHA-1') hash.update(`blob ${size}\0`);
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  return hash.digest('hex');
}
