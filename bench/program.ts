/** @file A program that is measured: what it prints, when it began, and the most memory that it and its children took. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type Line = {
  readonly text: string /** Seconds since the program began. */;
  readonly at: number;
};

export type Ran = {
  readonly lines: readonly Line[];
  /** Milliseconds since 1970 at its beginning, by its own side of `prefix`. */
  readonly began: number;
  readonly seconds: number;
  /** `VmHWM` of the program itself, in bytes (Linux). */
  readonly own: number;
  /** The largest `VmHWM` among the processes that it started; 0 where there was none. */
  readonly children: number;
};

export type RunOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that the program is put behind: `taskset -c 0,1`, `chrt -f 10`. What it waits is not counted. */
  readonly prefix?: readonly string[];
};

/** Runs a program to its end. Throws with its last words where it fails. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, env, prefix = [] }: RunOptions = {},
): Promise<Ran> {
  const shell = ['sh', '-c', 'echo "#began"; exec "$@"', 'sh', program, ...args];
  const [command, ...rest] = [...prefix, ...shell];
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
  });
  const pid = child.pid ?? 0;
  let began = Date.now();
  const lines: Line[] = [];
  createInterface({ input: child.stdout }).on('line', (text) => {
    if (text === '#began' && lines.length === 0) began = Date.now();
    else lines.push({ text, at: (Date.now() - began) / 1000 });
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4000);
  });
  const peaks = new Map<number, number>();
  const look = setInterval(() => {
    for (const each of [pid, ...descendants(pid)]) {
      peaks.set(each, Math.max(peaks.get(each) ?? 0, highWater(each)));
    }
  }, 50);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearInterval(look);
  if (code !== 0) {
    const said = lines.slice(-20).map(({ text }) => text);
    throw new Error(
      [`${program} ${args.join(' ')} ended with ${code}`, ...said, errors].join('\n'),
    );
  }
  const { [pid]: own = 0, ...others } = Object.fromEntries(peaks);
  const children = Math.max(0, ...Object.values(others));
  return { lines, began, seconds: (Date.now() - began) / 1000, own, children };
}

const launcher = fileURLToPath(new URL('../bin/tunery.js', import.meta.url));

/** The real command line: its own process is the parent, its largest child the engine. */
export const runTunery = (args: readonly string[], options: RunOptions = {}): Promise<Ran> =>
  runProgram(process.execPath, [launcher, ...args], options);

function descendants(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    const direct = text === '' ? [] : text.split(' ').map(Number);
    return direct.flatMap((each) => [each, ...descendants(each)]);
  } catch {
    return [];
  }
}

function highWater(pid: number): number {
  try {
    const [, kilobytes] = /VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return 1024 * Number(kilobytes ?? 0);
  } catch {
    return 0;
  }
}
