/**
 * @file Sets a clone up: packages, Rust kernels, and with `--model` the quick start's model. Does nothing where all is
 * there. Plain JavaScript, since it is what an older Node starts with.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);
const say = (text) => process.stderr.write(`${text}\n`);

/** Packages and the crate's build take about this much. */
const neededBytes = 1.5e9;

const mtime = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function newest(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (latest, entry) => Math.max(latest, mtime(join(entry.parentPath ?? entry.path, entry.name))),
      0,
    );
}

function fail(message, help) {
  say(`error[setup]: ${message}\n  help: ${help}`);
  process.exit(1);
}

function has(command) {
  return (
    spawnSync(command, ['--version'], { stdio: 'ignore', shell: process.platform === 'win32' })
      .status === 0
  );
}

function run(what, command, args, options = {}) {
  const start = Date.now();
  say(`setup: ${what} …`);
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
    shell: process.platform === 'win32',
    ...options,
  });
  if (error || status !== 0) return false;
  say(`setup: ${what}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
  return true;
}

/** The version of Node that the lock file pins for this platform, as `package@version`. */
function pinnedNode() {
  const { optionalDependencies } = JSON.parse(readFileSync(at('package.json'), 'utf8'));
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const name = Object.keys(optionalDependencies).find((key) =>
    key.endsWith(`${platform}-${process.arch}`),
  );
  return name ? `${name}@${optionalDependencies[name]}` : undefined;
}

function installPackages() {
  const stamp = at('node_modules', '.package-lock.json');
  if (mtime(stamp) >= mtime(at('package-lock.json'))) return false;
  if (!has('npm')) {
    fail('npm is not there', 'install Node.js 24 (or 20 and later, with npm): https://nodejs.org');
  }
  const quiet = ['ci', '--no-fund', '--no-audit', '--loglevel=error'];
  const modern = Number(process.versions.node.split('.')[0]) >= 24;
  let done;
  if (modern) {
    done = run('installing packages (about 480 MB)', 'npm', quiet);
  } else {
    const node = pinnedNode();
    if (!node)
      fail(
        `no Node 24 is packaged for ${process.platform}-${process.arch}`,
        'install Node.js 24: https://nodejs.org',
      );
    // npm on an older Node passes over native packages that ask for a newer one, so npm itself runs on it.
    const globals = spawnSync('npm', ['root', '-g'], {
      encoding: 'utf8',
      shell: process.platform === 'win32',
    }).stdout.trim();
    done = run(`installing packages with ${node} (about 480 MB)`, 'npx', [
      '-y',
      node,
      join(globals, 'npm', 'bin', 'npm-cli.js'),
      ...quiet,
    ]);
  }
  if (!done) {
    fail(
      'the packages could not be installed',
      'the reason stands above; a registry that cannot be reached and a full disk are the usual ones. Run the command again afterwards: nothing half done is kept',
    );
  }
  const now = new Date();
  writeFileSync(at('node_modules', '.tunery-setup'), now.toISOString());
  return true;
}

function buildKernels() {
  if (existsSync(at('prebuilt', `${process.platform}-${process.arch}.node`))) return false;
  const target = process.env.CARGO_TARGET_DIR ?? at('crates', 'kernels', 'target');
  const names = { win32: 'tunery_kernels.dll', darwin: 'libtunery_kernels.dylib' };
  const library = join(target, 'release', names[process.platform] ?? 'libtunery_kernels.so');
  const sources = Math.max(
    newest(at('crates', 'kernels', 'src')),
    mtime(at('crates', 'kernels', 'Cargo.lock')),
    mtime(at('crates', 'kernels', 'Cargo.toml')),
  );
  if (mtime(library) >= sources) return false;
  if (!has('cargo'))
    fail(
      'cargo is not there, and the kernels are written in Rust',
      'install Rust 1.89 or later: https://rustup.rs',
    );
  if (process.platform !== 'win32' && !has('cc'))
    fail(
      'there is no C compiler to link with (`cc`)',
      'install one: `apt-get install build-essential`, `dnf install gcc`, or Xcode’s command line tools',
    );
  if (
    !run('building the kernels with cargo (about a minute)', 'cargo', [
      'build',
      '--release',
      '--locked',
      '--quiet',
      '--manifest-path',
      at('crates', 'kernels', 'Cargo.toml'),
    ])
  ) {
    fail(
      'the kernels could not be built',
      'the reason stands above; they need Rust 1.89 or later (`rustup update`) and, the first time, the crates registry',
    );
  }
  // Cargo leaves a library alone that would come out the same; its age must say that it was looked at.
  const now = new Date();
  spawnSync(process.execPath, [
    '-e',
    `require('fs').utimesSync(${JSON.stringify(library)}, ${now / 1000}, ${now / 1000})`,
  ]);
  return true;
}

/** One set-up at a time in a clone: a second one waits. */
function locked(work) {
  const lock = at('.tunery-setup.lock');
  for (let waited = false; ; ) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST')
        fail(
          `the clone cannot be written to (${error.code})`,
          `give yourself the right to write in ${root}, or free disk space`,
        );
      const owner = existsSync(join(lock, 'pid'))
        ? Number(readFileSync(join(lock, 'pid'), 'utf8'))
        : 0;
      const alive =
        owner > 0 &&
        (() => {
          try {
            process.kill(owner, 0);
            return true;
          } catch {
            return false;
          }
        })();
      if (!alive && Date.now() - statSync(lock).mtimeMs > 2000)
        rmSync(lock, { recursive: true, force: true });
      if (alive && !waited) {
        say('setup: waiting for another one in this clone …');
        waited = true;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    }
  }
  writeFileSync(join(lock, 'pid'), String(process.pid));
  try {
    return work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

const started = Date.now();
const before = statfsSync(root);
const free = before.bavail * before.bsize;
const needs = () =>
  mtime(at('node_modules', '.package-lock.json')) < mtime(at('package-lock.json'));
if (needs() && free < neededBytes)
  fail(
    `the disk has ${(free / 1e9).toFixed(1)} GB free, and the set-up takes about ${neededBytes / 1e9} GB`,
    'free some space and run the command again',
  );

const changed = locked(() => {
  process.on('exit', () => rmSync(at('.tunery-setup.lock'), { recursive: true, force: true }));
  const packages = installPackages();
  return buildKernels() || packages;
});
if (changed) {
  const after = statfsSync(root);
  const used = (before.bavail - after.bavail) * before.bsize;
  say(
    `setup: done in ${((Date.now() - started) / 1000).toFixed(1)} s, ${Math.round(used / 1e6)} MB of disk`,
  );
}
if (process.argv.includes('--model')) {
  const node =
    Number(process.versions.node.split('.')[0]) >= 24
      ? process.execPath
      : at('node_modules', '.bin', 'node');
  const { status } = spawnSync(node, [at('scripts', 'fetch-model.ts')], {
    stdio: ['ignore', process.stderr, 'inherit'],
  });
  if (status !== 0) process.exit(1);
}
