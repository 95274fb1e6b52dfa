import { expect, test } from 'vitest';
import { lockFaults } from './check-lock.ts';

const entry = { version: '1.0.0', integrity: 'sha512-x' };
const manifest = JSON.stringify({ dependencies: { tool: '1.0.0' } });
const lock = (packages: object): string =>
  JSON.stringify({
    lockfileVersion: 3,
    packages: { '': { dependencies: { tool: '1.0.0' } }, ...packages },
  });
const tool = { ...entry, optionalDependencies: { 'tool-linux': '1', 'tool-win': '1' } };

test('a whole lock has no faults, wherever a package lies', () => {
  const whole = lock({
    'node_modules/tool': tool,
    'node_modules/tool-linux': entry,
    'node_modules/tool/node_modules/tool-win': entry,
  });
  expect(lockFaults(whole, manifest)).toEqual([]);
});

test('a platform that was left out is named', () => {
  const cut = lock({ 'node_modules/tool': tool, 'node_modules/tool-linux': entry });
  expect(lockFaults(cut, manifest)).toEqual([
    'node_modules/tool needs tool-win, which has no entry',
  ]);
});

test('an address, a missing digest and another version are named', () => {
  const other = lock({
    'node_modules/tool': { version: '2.0.0', resolved: 'https://registry.example/tool.tgz' },
  });
  expect(lockFaults(other, manifest)).toEqual([
    'node_modules/tool names where it came from (`resolved`)',
    'node_modules/tool has no digest (`integrity`)',
    'package.json pins tool 1.0.0, the lock has 2.0.0',
    'it names a registry: "https://registry.example/tool.tgz"',
  ]);
});
