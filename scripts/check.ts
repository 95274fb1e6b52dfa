/** @file `npm run check`: types, Biome, layers, generated files, Rust fmt, tests' types and clippy. No tests. */
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
  // Miri alone runs them, which nobody does every day.
  ['rust tests', 'cargo', 'check', '--release', '--quiet', '--tests', ...crate],
  ['clippy', 'cargo', 'clippy', '--release', '--quiet', ...crate, '--', '-D', 'warnings'],
];

/** Ruff where it is installed; the syntax alone where it is not, for a check needs no more than Node and Rust. */
function pythonCheck(): (typeof checks)[number] {
  const folders = ['workers', 'tests/golden', 'bench/peers'];
  if (spawnSync('ruff', ['--version']).status === 0)
    return [
      'python',
      'ruff',
      'check',
      '--isolated',
      '--quiet',
      '--select=E7,E9,F',
      '--ignore=E731',
      ...folders,
    ];
  const parse =
    'import ast, pathlib, sys; [ast.parse(p.read_text(), str(p)) for f in sys.argv[1:] for p in pathlib.Path(f).rglob("*.py")]';
  return ['python (syntax; ruff is not here)', 'python3', '-c', parse, ...folders];
}

let failed = 0;
for (const [name, command, ...args] of [...checks, pythonCheck()]) {
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
