/**
 * @file The kernels' own tests on a build that checks every access to memory: `node scripts/sanitize.ts [TEST …]`.
 *
 * AddressSanitizer over all Rust code, with Rust's debug assertions (arithmetic overflow, and what unsafe functions of the
 * standard library demand of their callers). The tests' arrays come from malloc, which the sanitizer replaces, so a kernel
 * that reads or writes one element beyond an array ends the test, whatever the shape. Not seen: memory of `allocate` and
 * mapped files, whose neighbors are mapped too; races between threads; instruction sets that the machine does not have.
 * Wants Linux on x86-64, a nightly toolchain of Rust and GCC's or Clang's libasan. A second build: some minutes.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = 'x86_64-unknown-linux-gnu';
const folder = 'crates/kernels/target/sanitize';

function must(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): void {
  const options = { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } } as const;
  const { status } = spawnSync(program, args, options);
  if (status !== 0) process.exit(status ?? 1);
}

const { stdout } = spawnSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' });
const sanitizer = stdout?.trim();
if (!sanitizer || !existsSync(sanitizer)) {
  console.error('gcc has no libasan.so here: install it (Debian: gcc)');
  process.exit(1);
}

must(
  'cargo',
  [
    '+nightly',
    'build',
    '--release',
    '--manifest-path=crates/kernels/Cargo.toml',
    `--target=${target}`,
    `--target-dir=${folder}`,
    '--config=profile.release.debug-assertions=true',
    '--config=profile.release.lto=false',
    '--config=profile.release.codegen-units=16',
    '--config=profile.release.strip=false',
    '--config=profile.release.debug="line-tables-only"',
  ],
  { RUSTFLAGS: '-Zsanitizer=address' },
);

const tests = process.argv.slice(2);
must(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', ...(tests.length > 0 ? tests : ['src/kernels'])],
  {
    TUNERY_ADDON: `${root}${folder}/${target}/release/libtunery_kernels.so`,
    LD_PRELOAD: sanitizer,
    // Node itself never frees all that it takes; the end of a test process is no leak of ours.
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1',
  },
);
