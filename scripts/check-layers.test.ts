import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { layerFaults, readSources } from './check-layers.ts';

test('the tree keeps its layers', () => {
  const sources = readSources(join(dirname(fileURLToPath(import.meta.url)), '..'));
  expect(sources.length).toBeGreaterThan(5);
  expect(layerFaults(sources)).toEqual([]);
});

test('an import turned round is found', () => {
  const faults = layerFaults([
    { path: 'src/core/x.ts', text: "import { run } from '../cli/main.ts';" },
    { path: 'src/engine/x.ts', text: "const m = await import('../data/rows.ts');" },
    { path: 'src/data/x.ts', text: "export * from '../files/jsonl.ts';" },
  ]);
  expect(faults).toHaveLength(2);
  expect(faults[0]).toContain('core may not import cli');
  expect(faults[1]).toContain('engine may not import data');
});

test('a folder outside the table, console and process.env are found', () => {
  const faults = layerFaults([
    { path: 'src/misc/x.ts', text: '' },
    { path: 'src/data/x.ts', text: 'console.log(process.env.HOME);' },
  ]);
  expect(faults).toHaveLength(3);
});
