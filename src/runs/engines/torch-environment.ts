/**
 * @file The Python environment of the torch engine: made by `uv` from locks with hashes, in a folder of ours, there whole
 * or not at all, checked before it is used, and removed without a trace.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { environmentFolder, isInstalled, manifestOf } from '../../engine/choose-engine.ts';
import type { EngineSettings } from '../../engine/settings.ts';
import { freeDisk, makeFolder, writeFileAtomic } from '../../files/atomic.ts';
import { digestFile, digestOf } from '../../files/digest.ts';
import type { InferSettings } from '../../generate/backends.ts';
import { childEnvironment } from '../../native/environment.ts';
import { waitForLock } from '../../native/lock.ts';
import {
  brokenEnvironment,
  environmentNoDisk,
  environmentNotMade,
  lackingWheels,
  noNetwork,
  noPythonForTorch,
  noSuchPython,
  noTorchEnvironment,
  noVenv,
  noVllm,
} from '../errors.ts';

const workers = fileURLToPath(new URL('../../../workers/torch', import.meta.url));
const lockOf = (name: string): string => join(workers, 'locks', `${name}.lock`);

/** What can be had beside PyTorch, transformers and PEFT. */
export const extras = ['deepspeed', 'bitsandbytes', 'liger'] as const;
export type Extra = (typeof extras)[number];

/** Bytes on the disk, measured on Linux, where PyTorch's wheel carries CUDA; and what is fetched for it. */
const sizes = { disk: 5.4e9, fetched: 2.9e9 };
export const environmentSize =
  process.platform === 'linux' ? sizes : { disk: 1.5e9, fetched: 0.4e9 };

const engines = (): string => dirname(environmentFolder());
export const extensionsFolder = (): string => join(environmentFolder(), 'extensions');

const Manifest = z.object({
  schema: z.literal(1),
  extras: z.array(z.string()),
  /** Of the locks that it was made from. */
  locks: z.string(),
});

const binary = (folder: string, name: string): string =>
  process.platform === 'win32' ? join(folder, 'Scripts', `${name}.exe`) : join(folder, 'bin', name);

/** The environment's Python, where one was made to its end. */
export function installedPython(): string | undefined {
  return isInstalled() ? binary(environmentFolder(), 'python') : undefined;
}

/** The Python that a job's ranks run: the one that it names, or ours. */
export function torchPython({ engine_python: given }: EngineSettings): string {
  const python = given ?? installedPython();
  if (python === undefined) throw noTorchEnvironment();
  return existing('engine_python', python);
}

/** The Python of vLLM, which is always the user's own. */
export function vllmPython({ vllm_python: given }: InferSettings): string {
  if (given === null) throw noVllm();
  return existing('vllm_python', given);
}

function existing(key: string, python: string): string {
  if (!statSync(python, { throwIfNoEntry: false })?.isFile()) throw noSuchPython(key, python);
  return python;
}

/** What the environment has, and whether it is of today's locks. */
export function installedEnvironment():
  | { readonly folder: string; readonly extras: readonly string[]; readonly current: boolean }
  | undefined {
  const folder = environmentFolder();
  try {
    const manifest = Manifest.parse(JSON.parse(readFileSync(manifestOf(folder), 'utf8')));
    const current = manifest.locks === digestOfLocks(manifest.extras);
    return { folder, extras: manifest.extras, current };
  } catch {
    return undefined;
  }
}

const locksFor = (wanted: readonly string[]): string[] => ['base', ...wanted].map(lockOf);
const digestOfLocks = (wanted: readonly string[]): string =>
  digestOf(...locksFor(wanted).map((path) => (existsSync(path) ? digestFile(path) : '')));

export type InstallOptions = {
  readonly extras: readonly Extra[];
  /** A folder of wheels: then nothing is fetched. */
  readonly wheels: string | null;
  /** The Python to make it with; undefined takes the first of a list that is new enough. */
  readonly python: string | null;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
};

/** Makes the environment, or makes it anew; what was there stays until the new one is whole. Gives its Python. */
export async function installEnvironment(options: InstallOptions): Promise<string> {
  const { signal, progress } = options;
  makeFolder(engines());
  const lock = await waitForLock(join(engines(), '.torch.lock'), signal);
  const next = join(engines(), '.torch.new');
  try {
    // What uv has fetched stays for the next attempt; what it had built so far does not.
    rmSync(next, { recursive: true, force: true });
    const free = freeDisk(engines());
    if (free < environmentSize.disk) throw environmentNoDisk(engines(), environmentSize.disk, free);
    const python = await findPython(options.python);
    const { wheels } = options;
    const locks = [lockOf('uv'), ...locksFor(options.extras)];
    if (wheels !== null && !existsSync(wheels)) {
      throw lackingWheels(wheels, 'there is no such folder', locks);
    }
    const from = wheels === null ? [] : ['--no-index', '--find-links', wheels];
    const steps: readonly (readonly [what: string, command: string, ...args: string[]])[] = [
      ['making the environment', python, '-m', 'venv', next],
      [
        'fetching uv',
        ...([binary(next, 'python'), '-m', 'pip', 'install', '--quiet'] as const),
        ...['--disable-pip-version-check', '--require-hashes', ...from, '-r', lockOf('uv')],
      ],
      [
        'fetching PyTorch and its kin',
        ...([binary(next, 'uv'), 'pip', 'install', '--python', binary(next, 'python')] as const),
        ...['--require-hashes', '--link-mode=hardlink', ...from],
        ...locksFor(options.extras).flatMap((path) => ['-r', path]),
      ],
    ];
    for (const [what, command, ...args] of steps) {
      progress(what);
      const said = await failureOf(
        ...([command, args, (line: string) => progress(`${what}: ${line}`), signal] as const),
      );
      if (said === undefined) continue;
      const [, absent] =
        /(?:distribution found for|Because) ([\w.-]+(?:==[\w.]+)?)(?: was not|$)/m.exec(said) ?? [];
      if (wheels !== null && absent !== undefined) {
        throw lackingWheels(wheels, `it has no ${absent}`, locks);
      }
      throw explained(command, said);
    }
    progress('trying it');
    await checkPython(binary(next, 'python'), signal);
    const manifest = { schema: 1, extras: options.extras, locks: digestOfLocks(options.extras) };
    writeFileAtomic(manifestOf(next), `${JSON.stringify(manifest)}\n`);
    const old = join(engines(), '.torch.old');
    rmSync(old, { recursive: true, force: true });
    if (existsSync(environmentFolder())) renameSync(environmentFolder(), old);
    renameSync(next, environmentFolder());
    rmSync(old, { recursive: true, force: true });
    rmSync(join(engines(), 'uv'), { recursive: true, force: true });
    return binary(environmentFolder(), 'python');
  } catch (error) {
    rmSync(next, { recursive: true, force: true });
    throw error;
  } finally {
    lock.release();
  }
}

/** Removes all that was ever made; false where there was nothing. */
export async function removeEnvironment(signal: AbortSignal): Promise<boolean> {
  if (!existsSync(engines())) return false;
  const lock = await waitForLock(join(engines(), '.torch.lock'), signal);
  try {
    return existsSync(environmentFolder());
  } finally {
    rmSync(engines(), { recursive: true, force: true });
    lock.release();
  }
}

const Report = z.object({
  python: z.string(),
  packages: z.record(z.string(), z.string().nullable()),
  devices: z.array(z.string()),
  backends: z.array(z.string()),
  /** Files that packages say they have, and that are not there. */
  missing: z.array(z.string()),
  /** Losses of three steps of a tiny model with a LoRA. */
  losses: z.array(z.number()),
});
export type Report = z.infer<typeof Report>;

/** Runs `workers/torch/check.py`; throws what is wrong, in words. */
export async function checkPython(python: string, signal: AbortSignal): Promise<Report> {
  const { out, err, code } = await ran(python, [join(workers, 'check.py')], () => {}, signal);
  const line = out.split('\n').findLast((text) => text.startsWith('{'));
  const last = err.trim().split('\n').at(-1) ?? '';
  if (code !== 0 || line === undefined)
    throw brokenEnvironment(python, last || `it ended with code ${code}`);
  const report = Report.parse(JSON.parse(line));
  if (report.missing.length > 0) {
    const [first] = report.missing;
    const more = report.missing.length === 1 ? '' : ` and ${report.missing.length - 1} more`;
    throw brokenEnvironment(python, `files are missing: ${first}${more}`);
  }
  return report;
}

/** Throws where a Python lacks what a job imports. Nothing is imported: it takes a tenth of a second. */
export async function refuseMissing(python: string, modules: readonly string[]): Promise<void> {
  const code =
    'import sys; from importlib.util import find_spec; print(*[m for m in sys.argv[1:] if find_spec(m) is None])';
  const { out, err, code: ended } = await ran(python, ['-c', code, ...modules], () => {});
  if (ended !== 0) throw brokenEnvironment(python, err.trim().split('\n').at(-1) ?? '');
  const missing = out.split(/\s+/).filter((name) => name !== '');
  if (missing.length > 0) throw brokenEnvironment(python, `it has no ${missing.join(', no ')}`);
}

const candidates = ['python3.13', 'python3.12', 'python3.11', 'python3', 'python'];

async function findPython(given: string | null): Promise<string> {
  const tried: string[] = [];
  for (const name of given === null ? candidates : [given]) {
    const { out, code } = await ran(
      name,
      ['-c', 'import sys; print(*sys.version_info[:2])'],
      () => {},
    );
    const [major = 0, minor = 0] = out.trim().split(' ').map(Number);
    if (code === 0 && major === 3 && minor >= 11 && minor <= 13) return name;
    tried.push(
      major > 0 ? `${name} is ${major}.${minor}` : `${name} does not run, or is no Python`,
    );
  }
  throw noPythonForTorch(tried.join(', '));
}

/** What a command said where it failed. */
async function failureOf(
  command: string,
  args: readonly string[],
  line: (text: string) => void,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { code, err, out } = await ran(command, args, line, signal);
  signal.throwIfAborted();
  return code === 0 ? undefined : `${err}\n${out}`.trim();
}

function explained(command: string, said: string): Error {
  if (/No space left on device/.test(said)) {
    return environmentNoDisk(engines(), environmentSize.disk, freeDisk(engines()));
  }
  if (/ensurepip is not|No module named '?venv/.test(said)) return noVenv(command);
  if (
    /dns error|name resolution|[Ff]ailed to fetch|[Cc]onnection|NewConnectionError|Network/.test(
      said,
    )
  ) {
    return noNetwork(said.split('\n').at(-1) ?? '');
  }
  return environmentNotMade(said.split('\n').slice(-5).join('\n'));
}

type Ran = { readonly code: number | null; readonly out: string; readonly err: string };

function ran(
  command: string,
  args: readonly string[],
  line: (text: string) => void,
  signal?: AbortSignal,
): Promise<Ran> {
  return new Promise((resolve) => {
    const child: ChildProcess = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: childEnvironment({
        UV_CACHE_DIR: join(engines(), 'uv'),
        UV_NO_CONFIG: '1',
        UV_PYTHON_DOWNLOADS: 'never',
        PIP_CACHE_DIR: join(engines(), 'uv', 'pip'),
        PYTHONDONTWRITEBYTECODE: '1',
        PYTHONNOUSERSITE: '1',
      }),
      ...(signal ? { signal, killSignal: 'SIGTERM' as const } : {}),
    });
    let [out, err] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      out += piece;
    });
    child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
      err += piece;
      const last = piece.trim().split('\n').at(-1);
      if (last) line(last);
    });
    child.on('error', (error) => resolve({ code: null, out, err: `${err}\n${error.message}` }));
    child.on('close', (code) => resolve({ code, out, err }));
  });
}
