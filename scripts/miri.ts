/**
 * @file The kernels' unsafe code under Miri, Rust's interpreter: `node scripts/miri.ts [ISA …] [-- TEST …]`.
 *
 * It sees what a sanitizer cannot: aliasing, uninitialized memory, alignment, races between threads. And it interprets
 * instruction sets that the machine does not have, as far as it knows their instructions: of `avx512` it does not know
 * the largest of two vectors (`vmaxps`), so attention ends there. Portable where none is named. Wants a nightly toolchain with
 * `rustup +nightly component add miri rust-src`. The tests are crates/kernels/src/soundness.rs: small, since everything
 * takes a thousand times as long.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const avx2 = ['avx2', 'fma', 'f16c'];
const avx512 = [...avx2, 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl'];
/** What each set makes the compiler believe of the machine. */
const features: Readonly<Record<string, readonly string[]>> = {
  portable: [],
  avx2,
  avx512,
  'avx512-bf16': [...avx512, 'avx512vnni', 'avx512bf16'],
};

const given = process.argv.slice(2);
const divide = given.indexOf('--');
const tests = divide < 0 ? [] : given.splice(divide).slice(1);
for (const isa of given.length > 0 ? given : ['portable']) {
  if (!Object.hasOwn(features, isa)) {
    console.error(`no such instruction set: ${isa}; there are ${Object.keys(features).join(', ')}`);
    process.exit(2);
  }
  console.log(`\n${isa}`);
  const flags = features[isa].map((feature) => `+${feature}`).join(',');
  const { status } = spawnSync(
    'cargo',
    ['+nightly', 'miri', 'test', '--lib', `--target-dir=target/miri-${isa}`, '--', ...tests],
    {
      cwd: fileURLToPath(new URL('../crates/kernels', import.meta.url)),
      stdio: 'inherit',
      env: {
        ...process.env,
        TUNERY_ISA: isa,
        RUSTFLAGS: flags === '' ? '' : `-Ctarget-feature=${flags}`,
        // Threads of the pool never end, and buffers that tests lend are never given back.
        MIRIFLAGS: '-Zmiri-disable-isolation -Zmiri-ignore-leaks',
      },
    },
  );
  if (status !== 0) process.exit(status ?? 1);
}
