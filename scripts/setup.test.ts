/** The set-up on machines that lack something: what is missing is named before anything is installed. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** What the launcher's shell script calls. */
const shellTools = ['sh', 'dirname', 'readlink', 'uname', 'ls', 'find', 'head', 'sed'];

let clone = '';
let bin = '';

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'tunery-clone-'));
  for (const name of ['tunery', 'package.json', 'package-lock.json', 'scripts/setup.mjs']) {
    mkdirSync(dirname(join(clone, name)), { recursive: true });
    cpSync(join(root, name), join(clone, name));
  }
  const crate = join('crates', 'kernels');
  for (const name of ['Cargo.toml', 'Cargo.lock', 'build.rs', 'src']) {
    cpSync(join(root, crate, name), join(clone, crate, name), { recursive: true });
  }
  bin = join(clone, 'bin-of-this-machine');
  mkdirSync(bin);
  for (const tool of shellTools) symlinkSync(found(tool), join(bin, tool));
});
afterEach(() => rmSync(clone, { recursive: true, force: true }));

function found(tool: string): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const path = folders.map((folder) => join(folder, tool)).find(existsSync);
  if (path === undefined) throw new Error(`no ${tool} on this machine`);
  return path;
}

/** Programs that are there; each only tells its version. */
function has(tools: Readonly<Record<string, string>>): void {
  for (const [tool, version] of Object.entries(tools)) {
    writeFileSync(join(bin, tool), `#!/bin/sh\necho "${version}"\n`);
    chmodSync(join(bin, tool), 0o755);
  }
}

function tunery(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(join(clone, 'tunery'), args, {
    encoding: 'utf8',
    env: { PATH: bin },
  });
  return { status, stdout, stderr };
}

const node = () => symlinkSync(process.execPath, join(bin, 'node'));
const untouched = () => !existsSync(join(clone, 'node_modules'));

test.skipIf(process.platform === 'win32')('--version needs no set-up, not even Node', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(tunery('--version')).toEqual({ status: 0, stdout: `tunery ${version}\n`, stderr: '' });
});

test
  .skipIf(process.platform === 'win32')
  .each<[what: string, arrange: () => void, message: string, help: string]>([
    ['Node', () => {}, 'Node.js is not there', 'install Node.js 24'],
    ['npm', node, 'npm is not there', 'with its npm'],
    [
      'cargo',
      () => {
        node();
        has({ npm: '11.0.0' });
      },
      'cargo is not there',
      'https://rustup.rs',
    ],
    [
      'a new enough cargo',
      () => {
        node();
        has({ npm: '11.0.0', cargo: 'cargo 1.80.0 (376290515 2024-07-16)' });
      },
      'this is cargo 1.80.0 (376290515 2024-07-16), and the kernels need Rust 1.89 or later',
      'rustup update',
    ],
    [
      'a C compiler',
      () => {
        node();
        has({ npm: '11.0.0', cargo: 'cargo 1.89.0 (c24e10642 2025-06-23)' });
      },
      'there is no C compiler to link with (`cc`)',
      'apt-get install build-essential',
    ],
  ])('without %s it says so', (_what, arrange, message, help) => {
  arrange();
  const { status, stderr } = tunery('env');
  expect(status).toBe(1);
  expect(stderr).toContain(`error[setup]: ${message}`);
  expect(stderr).toContain(help);
  expect(untouched()).toBe(true);
});

test.skipIf(process.platform === 'win32')('packages that cannot be had end it', () => {
  node();
  has({ npm: '11.0.0', cargo: 'cargo 1.95.0', cc: '1' });
  writeFileSync(join(bin, 'npm'), '#!/bin/sh\n[ "$1" = ci ] && exit 1\necho 11.0.0\n');
  const { status, stderr } = tunery('env');
  expect(status).toBe(1);
  expect(stderr).toContain('error[setup]: the packages could not be installed');
  expect(existsSync(join(clone, '.tunery-setup.lock'))).toBe(false);
});
