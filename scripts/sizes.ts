/** @file `npm run sizes`: the largest files and the most edited ones, where a second idea may hide or a center may be wrong. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const git = (...args: readonly string[]): string[] =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 })
    .split('\n')
    .filter((line) => line !== '');

const isCode = (path: string): boolean => /\.(ts|mjs|js|rs|py)$/.test(path);
const shown = 15;

const top = (counts: ReadonlyMap<string, number>): [string, number][] =>
  [...counts].sort(([, a], [, b]) => b - a).slice(0, shown);

const files = git('ls-files').filter(isCode);
const lines = new Map(
  files.map((path) => [path, readFileSync(join(root, path), 'utf8').split('\n').length - 1]),
);
console.log('Lines (past 400, look for the second idea):');
for (const [path, count] of top(lines)) console.log(`${String(count).padStart(6)}  ${path}`);

const edits = new Map<string, number>();
for (const path of git('log', '--no-merges', '--name-only', '--format=')) {
  if (lines.has(path)) edits.set(path, (edits.get(path) ?? 0) + 1);
}
const commits = git('rev-list', '--count', '--no-merges', 'HEAD')[0];
console.log(`\nCommits that touch it, of ${commits} (no file should draw more than a tenth):`);
for (const [path, count] of top(edits)) console.log(`${String(count).padStart(6)}  ${path}`);
