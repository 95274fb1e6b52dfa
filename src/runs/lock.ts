/**
 * @file The lock of a run folder: one living engine for each, and no lock that a dead one leaves behind can hold.
 *
 * Files cannot be compared and swapped, so a stale lock is never removed to be taken; it is *followed*. `run.lock` names its
 * holder by an id that is used once. Whoever finds that holder dead creates `run.lock.<id>`, its successor, which the
 * file system grants to one process only; the lock is held by the end of that chain. The winner then makes itself the
 * head of the chain and clears the rest away; who created a successor off the chain sees so by walking it again.
 */
import { randomBytes } from 'node:crypto';
import {
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { makeFolder } from '../files/atomic.ts';
import { writeFault } from '../files/errors.ts';
import { ownerAlive, ownerTag } from '../files/owner.ts';
import { processStartTime } from '../native/machine.ts';
import { lockContended, runIsLive } from './errors.ts';

const Holder = z.object({
  schema: z.literal(1),
  /** Never used twice; commands to a run are addressed to it. */
  id: z.string().regex(/^[\w-]+$/),
  owner: z.string(),
  pid: z.int().positive(),
  host: z.string(),
  since: z.string(),
});
export type Holder = z.infer<typeof Holder>;

export type Lock = {
  readonly id: string;
  /** Says that the holder lives, for those on other hosts who cannot ask its process. Call it now and then. */
  touch(): void;
  /** `folder`: where the locked folder has been moved to. */
  release(folder?: string): void;
};

const rootName = 'run.lock';
const successorName = (id: string): string => `${rootName}.${id}`;

/** A holder on another host (or in another container) counts as dead when it has not touched its lock for so long. */
const silentAfterMs = 120_000;
const touchEveryMs = 10_000;

/** Longer than any sane number of competitors; each round one of them wins. */
const rounds = 200;

const has = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

function readHolder(path: string): Holder | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (has(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
  try {
    const holder = Holder.safeParse(JSON.parse(text));
    if (holder.success) return holder.data;
  } catch {
    // Not JSON: as below.
  }
  // Being written just now (where there are no links), or the work of a disk fault: see isAlive.
  return { schema: 1, id: 'unreadable', owner: '', pid: 1, host: '', since: '' };
}

/** The end of the chain: its file, and who holds it. */
function lastOf(folder: string): { path: string; holder: Holder } | undefined {
  let path = join(folder, rootName);
  let holder = readHolder(path);
  if (holder === undefined) return undefined;
  for (;;) {
    const next = join(folder, successorName(holder.id));
    const successor = readHolder(next);
    if (successor === undefined || next === path) return { path, holder };
    [path, holder] = [next, successor];
  }
}

function isAlive({ path, holder }: { path: string; holder: Holder }): boolean {
  const unreadable = holder.owner === '';
  const alive = unreadable ? undefined : ownerAlive(holder.owner);
  // A zombie still has its number; it has no start time any more.
  if (alive !== undefined) return alive && processStartTime(holder.pid) !== undefined;
  try {
    return Date.now() - statSync(path).mtimeMs < (unreadable ? 5_000 : silentAfterMs);
  } catch {
    return false;
  }
}

/** Who runs in the folder now, if anyone. */
export function lockHolder(folder: string): Holder | undefined {
  const last = lastOf(folder);
  return last && isAlive(last) ? last.holder : undefined;
}

const isLive = (folder: string, { pid, host, since }: Holder): Error =>
  runIsLive(folder, pid, host === hostname() ? undefined : host, since);

/** Refuses a folder where a run is going on, and takes nothing: for who has much to do before it takes the lock. */
export function refuseLive(folder: string, patience = 1000): void {
  const until = performance.now() + patience;
  for (;;) {
    const holder = lockHolder(folder);
    if (!holder || holder.pid === process.pid) return;
    if (performance.now() > until) throw isLive(folder, holder);
    sleep(50);
  }
}

/** There is no one to give the event loop a turn for. */
const sleep = (ms: number): void =>
  void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/**
 * Takes the lock of a folder, which it makes where it is not there; refuses where a living process holds it, once it
 * has lived on for `patience` milliseconds: one that was just killed takes a moment to die.
 */
export function takeLock(folder: string, patience = 1000): Lock {
  const until = performance.now() + patience;
  const owner = ownerTag();
  const id = `${owner}-${randomBytes(6).toString('hex')}`;
  const holder: Holder = {
    schema: 1,
    id,
    owner,
    pid: process.pid,
    host: hostname(),
    since: new Date().toISOString(),
  };
  const draft = join(folder, `.${rootName}.${id}`);
  try {
    for (let round = 0; round < rounds; round++) {
      makeFolder(folder);
      const last = lastOf(folder);
      if (last && isAlive(last)) {
        if (last.holder.pid !== process.pid && performance.now() < until) {
          sleep(50);
          continue;
        }
        throw isLive(folder, last.holder);
      }
      const place = join(folder, last ? successorName(last.holder.id) : rootName);
      if (claim(draft, place, holder) && lastOf(folder)?.holder.id === id) {
        becomeHead(folder, place, draft, holder);
        return held(folder, id);
      }
      rmIfMine(place, id);
    }
  } catch (error) {
    throw writeFault(folder, error);
  } finally {
    rmSync(draft, { force: true });
  }
  throw lockContended(folder);
}

/** Creates `place` with its content at once, or finds that another process did. */
function claim(draft: string, place: string, holder: Holder): boolean {
  try {
    writeFileSync(draft, `${JSON.stringify(holder)}\n`);
    linkSync(draft, place);
    return true;
  } catch (error) {
    // ENOENT: the folder was moved away in between.
    if (has(error, 'EEXIST', 'ENOENT')) return false;
    // Some network and FAT file systems know no links; exclusive creation is the next best.
    if (!has(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error;
  }
  try {
    writeFileSync(place, `${JSON.stringify(holder)}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (has(error, 'EEXIST', 'ENOENT')) return false;
    throw error;
  }
}

function rmIfMine(place: string, id: string): void {
  if (readHolder(place)?.id === id) rmSync(place, { force: true });
}

function becomeHead(folder: string, place: string, draft: string, holder: Holder): void {
  const root = join(folder, rootName);
  if (place !== root) {
    writeFileSync(draft, `${JSON.stringify(holder)}\n`);
    renameSync(draft, root);
  }
  for (const entry of readdirSync(folder)) {
    // Drafts of others are theirs: they may be about to link them.
    if (entry.startsWith(`${rootName}.`) && entry !== successorName(holder.id)) {
      rmSync(join(folder, entry), { force: true });
    }
    const draftOwner = /^\.run\.lock\.(\d+-\w+-\w+)-[0-9a-f]+$/.exec(entry)?.[1];
    if (draftOwner !== undefined && ownerAlive(draftOwner) === false) {
      rmSync(join(folder, entry), { force: true });
    }
  }
}

function held(folder: string, id: string): Lock {
  const root = join(folder, rootName);
  let touched = Date.now();
  return {
    id,
    touch() {
      const now = Date.now();
      if (now - touched < touchEveryMs) return;
      touched = now;
      try {
        utimesSync(root, now / 1000, now / 1000);
      } catch {
        // The folder was taken away under a living run: its next write says so.
      }
    },
    release: (moved = folder) => rmIfMine(join(moved, rootName), id),
  };
}
