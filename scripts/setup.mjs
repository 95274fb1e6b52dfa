/**
 * @file Sets a clone up: packages, Rust kernels, and with `--model` the quick start's model. Does nothing where all is
 * there. Plain JavaScript, since it is what an older Node starts with.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statfsSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);
const say = (text) => process.stderr.write(`${text}\n`);

const modules = at('node_modules');
const crate = at('crates', 'kernels');
const target = join(crate, 'target');
const libraries = { win32: 'tunery_kernels.dll', darwin: 'libtunery_kernels.dylib' };
const library = join(target, 'release', libraries[process.platform] ?? 'libtunery_kernels.so');

/** What is made here takes 0.6 GB; npm and cargo want room to work. */
const neededBytes = 1e9;
/** As `rust-version` of the crate says. */
const leastRust = [1, 89];
const isModern = Number(process.versions.node.split('.')[0]) >= 24;
const shell = process.platform === 'win32';

const mtime = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));

const newest = (folder) =>
  filesBelow(folder).reduce((latest, path) => Math.max(latest, mtime(path)), 0);

/** Bytes on the disk below a folder; what is linked twice counts once. */
function diskBytes(folder) {
  const sizes = new Map(
    filesBelow(folder).map((path) => {
      const { ino, blocks, size } = lstatSync(path);
      return [ino, blocks === undefined ? size : blocks * 512];
    }),
  );
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function fail(message, help) {
  say(`error[setup]: ${message}\n  help: ${help}`);
  process.exit(1);
}

/** What a program says of its version; undefined where it is not there. */
function versionOf(command) {
  const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8', shell });
  return status === 0 ? stdout.trim() : undefined;
}

function run(what, command, args) {
  const start = Date.now();
  say(`setup: ${what} …`);
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
    shell,
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

const lacksPackages = () =>
  mtime(join(modules, '.package-lock.json')) < mtime(at('package-lock.json'));

function lacksKernels() {
  if (existsSync(at('prebuilt', `${process.platform}-${process.arch}.node`))) return false;
  const own = ['Cargo.lock', 'Cargo.toml', 'build.rs'].map((name) => mtime(join(crate, name)));
  return mtime(library) < Math.max(newest(join(crate, 'src')), ...own);
}

/** Every tool that will be needed, before minutes go into half of the work. */
function checkTools(packages, kernels) {
  if (packages && versionOf('npm') === undefined) {
    fail(
      'npm is not there',
      'install Node.js 24 (or 20 and later) with its npm: https://nodejs.org',
    );
  }
  if (!kernels) return;
  const cargo = versionOf('cargo');
  if (cargo === undefined) {
    fail(
      'cargo is not there, and the kernels are written in Rust',
      'install Rust 1.89 or later (https://rustup.rs), and open a new terminal',
    );
  }
  const [major, minor] = /\d+\.\d+/.exec(cargo)?.[0].split('.').map(Number) ?? leastRust;
  if (major === leastRust[0] && minor < leastRust[1]) {
    fail(
      `this is ${cargo}, and the kernels need Rust ${leastRust.join('.')} or later`,
      '`rustup update`',
    );
  }
  if (!shell && versionOf('cc') === undefined) {
    fail(
      'there is no C compiler to link with (`cc`)',
      'install one: `apt-get install build-essential`, `dnf install gcc`, or `xcode-select --install`',
    );
  }
}

function checkDisk() {
  const { bavail, bsize } = statfsSync(root);
  const free = bavail * bsize;
  if (free >= neededBytes) return;
  fail(
    `the disk has ${Math.round(free / 1e6)} MB free, and the set-up wants ${neededBytes / 1e9} GB`,
    'free some space, or put the clone on another disk; then run the command again',
  );
}

/** The script of npm itself, wherever this machine keeps it. */
function npmScript() {
  const given = process.env.npm_execpath ?? '';
  if (given.endsWith('npm-cli.js') && existsSync(given)) return given;
  const globals = spawnSync('npm', ['root', '-g'], { encoding: 'utf8', shell }).stdout.trim();
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'npm'))
    .filter(existsSync)
    .map((path) => realpathSync(path));
  return [join(globals, 'npm', 'bin', 'npm-cli.js'), ...found].find(
    (path) => path.endsWith('.js') && existsSync(path),
  );
}

function installPackages() {
  const quiet = ['ci', '--no-fund', '--no-audit', '--loglevel=error'];
  const size = 'about 480 MB';
  let done;
  if (isModern) {
    done = run(`installing packages (${size})`, 'npm', quiet);
  } else {
    const node = pinnedNode();
    const npm = npmScript();
    if (node === undefined || npm === undefined) {
      const what =
        node === undefined
          ? `no Node 24 is packaged for ${process.platform}-${process.arch}`
          : 'npm’s own script was not found, to run it on Node 24';
      fail(what, 'install Node.js 24, with its npm: https://nodejs.org');
    }
    // npm on an older Node passes over native packages that ask for a newer one, so npm itself runs on it.
    done = run(`installing packages with ${node} (${size})`, 'npx', ['-y', node, npm, ...quiet]);
  }
  if (done) return;
  fail(
    'the packages could not be installed',
    'the reason stands above: mostly a registry that cannot be reached, or a full disk. Run the command again afterwards: nothing half done is kept',
  );
}

function buildKernels() {
  const done = run('building the kernels with cargo (about two minutes)', 'cargo', [
    ...['build', '--release', '--locked', '--quiet'],
    ...['--manifest-path', join(crate, 'Cargo.toml'), '--target-dir', target],
  ]);
  if (!done) {
    fail(
      'the kernels could not be built',
      'the reason stands above; they need Rust 1.89 or later (`rustup update`), a C linker, and, the first time, the crates registry',
    );
  }
  // Cargo leaves a library alone that would come out the same; its age must say that it was looked at.
  const now = new Date();
  utimesSync(library, now, now);
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

function setUp() {
  const started = Date.now();
  process.on('exit', () => rmSync(at('.tunery-setup.lock'), { recursive: true, force: true }));
  const [packages, kernels] = [lacksPackages(), lacksKernels()];
  if (packages) installPackages();
  if (kernels) buildKernels();
  const made = [...(packages ? [modules] : []), ...(kernels ? [target] : [])].map(
    (folder) => `${Math.round(diskBytes(folder) / 1e6)} MB in ${folder.slice(root.length + 1)}`,
  );
  // Another set-up, waited for, may have done it all.
  if (made.length === 0) return;
  say(`setup: done in ${((Date.now() - started) / 1000).toFixed(1)} s: ${made.join(', ')}`);
}

if (lacksPackages() || lacksKernels()) {
  checkTools(lacksPackages(), lacksKernels());
  checkDisk();
  locked(setUp);
}
if (process.argv.includes('--model')) {
  const node = isModern ? process.execPath : at('node_modules', '.bin', 'node');
  const { status } = spawnSync(node, [at('scripts', 'fetch-model.ts')], {
    stdio: ['ignore', process.stderr, 'inherit'],
  });
  if (status !== 0) process.exit(1);
}
