/**
 * @file Files and folders that are there whole or not at all: written beside their place, flushed to
 * the disk, then renamed. A kill or a full disk leaves what was there before.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { TuneryError } from '../core/errors.ts';
import { alreadyThere, diskFull, notWritable, writeFault } from './errors.ts';
import { ownerAlive, ownerTag } from './owner.ts';

export type Chunk = string | Uint8Array;

export type WriteOptions = {
  /** Bytes that will be needed, where known: named when the disk is full. */
  readonly bytes?: number;
};

/** Leftovers of a host that cannot be asked are removed after this time. */
const staleAfterMs = 24 * 3600 * 1000;

/** `.name.tunery-new-<owner>-<random>`: hidden, and recognizable for the next writer of `name`. */
export const temporaryName = (name: string, kind: 'new' | 'old'): string =>
  `.${name}.tunery-${kind}-${ownerTag()}-${randomBytes(4).toString('hex')}`;

/** Bytes that a user may still write where `path` is or will be. */
export function freeDisk(path: string): number {
  let folder = resolve(path);
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/**
 * Makes a folder and those above it. Node's own recursive way goes round for ever where the system says "no such
 * place" below a folder that is there (`/proc/x`, Node 24.21).
 */
export function makeFolder(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.unshift(at);
  // A path that is there, but no folder, gives the system's own error.
  for (const folder of missing.length > 0 || statSync(path).isDirectory() ? missing : [path]) {
    try {
      mkdirSync(folder);
    } catch (error) {
      const another = isSystemError(error) && error.code === 'EEXIST';
      if (!another || !statSync(folder).isDirectory()) throw error;
    }
  }
}

function freeOrUnknown(path: string): number | undefined {
  try {
    return freeDisk(path);
  } catch {
    return undefined;
  }
}

const fault = (path: string, error: unknown, options: WriteOptions): Error =>
  writeFault(path, error, options.bytes, freeOrUnknown(path));

/** Removes what a failed write leaves; its own failure must not hide the first. */
function tidy(path: string): void {
  try {
    // Where no such path can be, Node 24's recursive removal goes round for ever.
    if (existsSync(path)) rmSync(path, { recursive: true, force: true });
  } catch {
    // The next writer of the same name removes it.
  }
}

/** Flushes one file or folder. A folder cannot be opened on Windows, which needs no flush of it. */
function flush(path: string, isFolder: boolean): void {
  if (isFolder && process.platform === 'win32') return;
  const fd = openSync(path, isFolder ? 'r' : 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function flushAll(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) flushAll(path);
    else if (entry.isFile()) flush(path, false);
  }
  flush(folder, true);
}

/**
 * Removes what dead attempts to write `path` left beside it, and puts back an old folder that a
 * writer had moved aside when it died. Does nothing to the attempts of living processes.
 */
export function removeLeftovers(path: string): void {
  const folder = dirname(resolve(path));
  const name = basename(resolve(path));
  const pattern = new RegExp(
    `^\\.${RegExp.escape(name)}\\.tunery-(new|old)-(\\d+-\\w+-\\w+)-[0-9a-f]{8}$`,
  );
  let entries: string[];
  try {
    entries = readdirSync(folder);
  } catch {
    return;
  }
  for (const entry of entries) {
    const match = pattern.exec(entry);
    if (!match) continue;
    const leftover = join(folder, entry);
    try {
      const alive = ownerAlive(match[2]) ?? Date.now() - statSync(leftover).mtimeMs < staleAfterMs;
      if (alive) continue;
      if (match[1] === 'old' && !existsSync(path)) renameSync(leftover, path);
      else rmSync(leftover, { recursive: true, force: true });
    } catch {
      // Another process was faster, or may not remove it: no reason to fail a write.
    }
  }
}

/** Removes what dead attempts to write anything into `folder` left there. */
export function sweepLeftovers(folder: string): void {
  const names = new Set<string>();
  for (const entry of existsSync(folder) ? readdirSync(folder) : []) {
    const name = /^\.(.+)\.tunery-(?:new|old)-[^.]+$/.exec(entry)?.[1];
    if (name !== undefined) names.add(name);
  }
  for (const name of names) removeLeftovers(join(folder, name));
}

function writeAll(fd: number, chunk: Chunk): void {
  const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk;
  let at = 0;
  while (at < bytes.length) at += writeSync(fd, bytes, at, Math.min(bytes.length - at, 1 << 30));
}

/** Writes a whole file, or nothing. Chunks are drawn one by one, so that a large file needs little memory. */
export function writeFileAtomic(
  path: string,
  data: Chunk | Iterable<Chunk>,
  options: WriteOptions = {},
): void {
  const folder = dirname(resolve(path));
  const temporary = join(folder, temporaryName(basename(resolve(path)), 'new'));
  removeLeftovers(path);
  let fd: number | undefined;
  try {
    makeFolder(folder);
    fd = openSync(temporary, 'wx', 0o666);
    if (typeof data === 'string' || data instanceof Uint8Array) writeAll(fd, data);
    else for (const chunk of data) writeAll(fd, chunk);
    fsyncSync(fd);
    closeSync(fd);
    fd = undefined;
    renameSync(temporary, path);
    flush(folder, true);
  } catch (error) {
    const said = fault(path, error, options);
    if (fd !== undefined) closeSync(fd);
    tidy(temporary);
    throw said;
  }
}

export type FolderOptions = WriteOptions & {
  /** Puts the new folder in the place of an earlier one; without it, an earlier one is an error. */
  readonly replace?: boolean;
};

/** Fills a temporary sibling folder, flushes all of it, and gives it its name; or leaves nothing. */
export async function writeFolderAtomic(
  path: string,
  fill: (temporary: string) => Promise<void> | void,
  options: FolderOptions = {},
): Promise<void> {
  const target = resolve(path);
  const parent = dirname(target);
  const temporary = join(parent, temporaryName(basename(target), 'new'));
  removeLeftovers(target);
  if (!options.replace) refuseExisting(path, target);
  try {
    makeFolder(parent);
    mkdirSync(temporary);
    await fill(temporary);
    flushAll(temporary);
    putInPlace(temporary, target);
    flush(parent, true);
  } catch (error) {
    tidy(temporary);
    throw folderFault(path, error, options);
  }
}

/** `fill` may have said already, of a file that is gone now, that the disk is full: people know the folder. */
function folderFault(path: string, error: unknown, options: WriteOptions): unknown {
  if (isSystemError(error)) return fault(path, error, options);
  if (!(error instanceof TuneryError) || error.code !== diskFull.code) return error;
  const free = freeOrUnknown(path);
  // More may be needed than was foretold: then no number is better than a small one.
  const needed =
    options.bytes !== undefined && options.bytes > (free ?? 0) ? options.bytes : undefined;
  return diskFull(path, needed, free);
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && 'code' in error;

function refuseExisting(path: string, target: string): void {
  if (!existsSync(target)) return;
  if (!statSync(target).isDirectory()) throw notWritable(path, 'a file of that name is there');
  if (readdirSync(target).length > 0) throw alreadyThere(path);
}

function putInPlace(temporary: string, target: string): void {
  if (!existsSync(target) || readdirSync(target).length === 0) {
    renameSync(temporary, target);
    return;
  }
  // A kill between these two renames leaves the old folder aside: the next writer puts it back.
  const aside = join(dirname(target), temporaryName(basename(target), 'old'));
  renameSync(target, aside);
  try {
    renameSync(temporary, target);
  } catch (error) {
    renameSync(aside, target);
    throw error;
  }
  rmSync(aside, { recursive: true, force: true });
}
