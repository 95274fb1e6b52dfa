/**
 * @file `npm run generate:locks`: the locked, hashed packages of `tunery engine install`, from what `workers/torch/locks/*.in` ask
 * for. Needs `uv`, and a network. What is locked stays as it is where it still fits; `--upgrade` takes newer versions.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../workers/torch/locks', import.meta.url));
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.in'))
  .map((name) => basename(name, '.in'));

// `base` first: what goes beside it must fit it.
for (const name of names.toSorted((a, b) => Number(b === 'base') - Number(a === 'base'))) {
  const beside = name === 'base' || name === 'uv' ? [] : ['--constraint', 'base.lock'];
  execFileSync(
    'uv',
    [
      ...['pip', 'compile', '--quiet', '--universal', '--python-version', '3.11'],
      ...['--generate-hashes', '--no-header', '--no-annotate', ...beside, ...process.argv.slice(2)],
      ...[`${name}.in`, '--output-file', `${name}.lock`],
    ],
    { cwd: folder, stdio: 'inherit' },
  );
  console.log(`wrote ${join('workers/torch/locks', `${name}.lock`)}`);
}
