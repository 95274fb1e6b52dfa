/** @file The real program, as its users start it: a process in a folder of its own, with a cache of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../../bin/tunery.js', import.meta.url));

/** A process that takes longer hangs: that is a failure of its own. */
const longestMs = 120_000;

export type Ended = {
  /** 128 and the signal's number where one ended it, as a shell says it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  readonly hung: boolean;
};

export type Running = {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<Ended>;
};

/** A folder to run in, removed by `remove`. */
export type Place = {
  readonly folder: string;
  readonly cache: string;
  readonly at: (...path: string[]) => string;
  /** Starts `tunery` with these arguments in the folder. */
  readonly start: (...args: string[]) => Running;
  /** Runs it to its end. */
  readonly run: (...args: string[]) => Promise<Ended>;
  readonly remove: () => void;
};

/** `own`: another cache than a fresh one, where a packaged model lies already. `longest`: for what takes its time. */
export function makePlace(own?: string, longest = longestMs): Place {
  const root = mkdtempSync(join(tmpdir(), 'tunery-e2e-'));
  const cache = own ?? join(root, 'cache');
  const folder = join(root, 'here');
  mkdirSync(folder);
  const start = (...args: string[]): Running => startCli(args, folder, cache, longest);
  return {
    folder,
    cache,
    at: (...path) => join(folder, ...path),
    start,
    run: (...args) => start(...args).ended,
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

function startCli(args: readonly string[], cwd: string, cache: string, longest: number): Running {
  const child = spawn(process.execPath, [launcher, ...args], {
    cwd,
    env: {
      ...process.env,
      TUNERY_CACHE: cache,
      HF_HUB_CACHE: join(cache, 'hub'),
      TUNERY_DEBUG: '',
      NO_COLOR: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    out += piece;
  });
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    err += piece;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    let hung = false;
    const watch = setTimeout(() => {
      hung = true;
      child.kill('SIGKILL');
    }, longest);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(watch);
      resolve({ code, signal, out, err, hung });
    });
  });
  return { process: child, pid: child.pid ?? 0, ended };
}

/** Every file below a folder with the digest of what it holds, every folder with a `/`. */
export function listing(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return entry.isDirectory()
          ? [`${relative(folder, path)}/`, '']
          : [relative(folder, path), sha256(path)];
      })
      .sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
  );
}

export const sha256 = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex');

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    // A zombie has ended: only its parent has not looked yet.
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return !existsSync('/proc');
  }
}

/** Waits for something that another process does. */
export async function until(what: string, condition: () => boolean, ms = 60_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
