/** @file Holds the layers of ARCHITECTURE.md: a folder imports itself and the rows below it, nothing else. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Top row first. Folders in one row do not see each other. */
export const layers: readonly (readonly string[])[] = [
  ['cli'],
  ['api'],
  ['runs'],
  ['advise'],
  ['config'],
  ['eval', 'export', 'serve', 'estimate'],
  ['train'],
  ['methods'],
  ['models', 'tuning', 'generate'],
  ['engine', 'data'],
  ['kernels', 'files', 'tokenizer'],
  ['native'],
  ['core'],
];

const rowOf = new Map(layers.flatMap((row, i) => row.map((folder) => [folder, i] as const)));
const importPattern =
  /(?:import|export)\s[^;'"]*?from\s*['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]\s*\)|import\s+['"](\.[^'"]+)['"]/g;

export type Source = { readonly path: string; readonly text: string };

/** Every import that breaks the table, and every use of what only some folders may touch. */
export function layerFaults(sources: readonly Source[]): string[] {
  const faults: string[] = [];
  for (const { path, text } of sources) {
    const folder = path.split('/')[1]!;
    const row = rowOf.get(folder);
    if (row === undefined) {
      faults.push(
        `${path}: src/${folder} stands in no layer; add it to the table or move the file`,
      );
      continue;
    }
    for (const match of text.matchAll(importPattern)) {
      const target = normalize(join(dirname(path), match[1] ?? match[2] ?? match[3]!));
      if (!target.startsWith('src/')) continue;
      const other = target.split('/')[1]!;
      const otherRow = rowOf.get(other);
      if (other === folder) continue;
      if (otherRow === undefined || otherRow <= row) {
        faults.push(`${path}: ${folder} may not import ${other} (${target})`);
      }
    }
    if (path.endsWith('.test.ts')) continue;
    const line = (index: number) => text.slice(0, index).split('\n').length;
    for (const match of text.matchAll(/\bconsole\.|\bprocess\.exit\b/g)) {
      if (folder !== 'cli') faults.push(`${path}:${line(match.index)}: ${match[0]} belongs in cli`);
    }
    for (const match of text.matchAll(/\bprocess\.env\b/g)) {
      if (folder !== 'native')
        faults.push(`${path}:${line(match.index)}: process.env belongs in native`);
    }
  }
  return faults;
}

/** The child process loads nothing of what faces people: it must start fast and know only its Job. */
export function childFaults(sources: readonly Source[]): string[] {
  const forbidden = ['cli', 'api', 'config', 'advise'];
  return sources
    .filter(({ path }) => path.startsWith('src/runs/engines/'))
    .flatMap(({ path, text }) =>
      [...text.matchAll(importPattern)]
        .map((match) => normalize(join(dirname(path), match[1] ?? match[2] ?? match[3]!)))
        .filter((target) => forbidden.some((folder) => target.startsWith(`src/${folder}/`)))
        .filter((target) => !/import type[^;]*$/.test(text.slice(0, text.indexOf(target))))
        .map((target) => `${path}: the engine may not import ${target}`),
    );
}

export function readSources(root: string): Source[] {
  return globSync('src/**/*.ts', { cwd: root }).map((path) => ({
    path: path.replaceAll('\\', '/'),
    text: readFileSync(join(root, path), 'utf8'),
  }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..');
  const sources = readSources(root);
  const faults = [...layerFaults(sources), ...childFaults(sources)];
  if (sources.length === 0)
    faults.push(`no source files found under ${relative('.', root) || '.'}/src`);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exit(1);
  console.log(`layers: ${sources.length} files in order`);
}
