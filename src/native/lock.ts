/** @file A lock on a file that the system drops with its process, however that ends. */
import { setTimeout as sleep } from 'node:timers/promises';
import { addon } from './addon.ts';

export type FileLock = { release(): void };

/** Locks `path` for this process alone, and makes the file; undefined where another holder has it. */
export function lockFile(path: string): FileLock | undefined {
  const id: number | null = addon()['lockFile'](path);
  if (id === null) return undefined;
  let held = true;
  return {
    release() {
      if (held) addon()['unlockFile'](id);
      held = false;
    },
  };
}

const pollMs = 200;

/** The lock, as soon as its holder lets go. */
export async function waitForLock(
  path: string,
  signal: AbortSignal | undefined,
): Promise<FileLock> {
  for (;;) {
    const lock = lockFile(path);
    if (lock) return lock;
    await sleep(pollMs, undefined, signal ? { signal } : {});
  }
}
