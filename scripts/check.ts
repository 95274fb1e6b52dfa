/** @file `npm run check`: types, Biome, layers, generated files, Rust fmt and clippy. No tests. */
import { spawnSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';

const crate = ['--manifest-path', 'crates/kernels/Cargo.toml'];
const checks: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['types', 'tsc', '-p', '.'],
  ['biome', 'biome', 'check', '.'],
  ['layers', process.execPath, 'scripts/check-layers.ts'],
  ['lock file', process.execPath, 'scripts/check-lock.ts'],
  ['generated', process.execPath, 'scripts/generate.ts', '--check'],
  ['rustfmt', 'cargo', 'fmt', '--check', ...crate],
  ['clippy', 'cargo', 'clippy', '--release', '--quiet', ...crate, '--', '-D', 'warnings'],
];

let failed = 0;
for (const [name, command, ...args] of checks) {
  const start = performance.now();
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  if (status === 0) {
    console.log(`ok    ${name} (${seconds} s)`);
    continue;
  }
  failed++;
  console.log(
    `FAIL  ${name} (${seconds} s)\n${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`,
  );
}
if (failed > 0) process.exit(1);
