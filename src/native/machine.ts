/** @file Which machine this is, and which of its processes live: what a run's lock and fingerprint record. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, uptime } from 'node:os';
import { addon } from './addon.ts';

/** `AMD EPYC`, `Apple M3`, …; the architecture where the system tells no name. */
export function cpuName(): string {
  const name = cpus()[0]?.model.trim();
  return name && name !== 'unknown' ? name : process.arch;
}

/** The kernels' instruction set: `amx`, `avx512-bf16`, `avx512`, `avx2` or `portable`. */
export function instructionSet(): string {
  return addon()['isaName']();
}

/** Number of threads that kernels use. */
export function threads(): number {
  return addon()['threads']();
}

/** Sets that number; 0 means one a core. No result depends on it. */
export function setThreads(count: number): void {
  addon()['setThreads'](count);
}

/**
 * When a process began, as an opaque text: with the pid it names one process for ever. Undefined where
 * no such process lives.
 */
export function processStartTime(pid: number): string | undefined {
  if (process.platform === 'linux') return linuxStartTime(pid);
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return text === '' ? undefined : text;
  } catch {
    return isAlive(pid) ? 'unknown' : undefined;
  }
}

/** Field 22 of /proc/pid/stat: clock ticks since the boot. A zombie has ended already. */
function linuxStartTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name before it is in parentheses, and may hold spaces and parentheses itself.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? undefined : fields[18];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** A text that changes when the machine is started again. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // In steps of ten seconds: the two clocks do not agree to the second.
    return `boot-${Math.round((Date.now() / 1000 - uptime()) / 10)}`;
  }
}
