import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { instructionSets } from './addon.ts';
import {
  bootId,
  cpuName,
  instructionSet,
  processStartTime,
  setThreads,
  threads,
} from './machine.ts';

test('a process is named by its pid and start; another one has another name, a dead one none', async () => {
  const own = processStartTime(process.pid);
  expect(own).toMatch(/./);
  expect(processStartTime(process.pid)).toBe(own);
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  const started = processStartTime(child.pid ?? 0);
  expect(started).toMatch(/./);
  expect(started).not.toBe(own);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(processStartTime(child.pid ?? 0)).toBeUndefined();
});

test('the machine has a boot, a name and an instruction set', () => {
  expect(bootId()).toBe(bootId());
  expect(cpuName()).not.toBe('');
  expect(instructionSets).toContain(instructionSet());
});

test('the number of threads can be set, and set back', () => {
  const before = threads();
  setThreads(3);
  expect(threads()).toBe(3);
  setThreads(0);
  expect(threads()).toBeGreaterThan(0);
  setThreads(before);
});

test('an instruction set that no kernel knows is an error, not the best one', () => {
  const script = "await import('./src/native/machine.ts').then((m) => m.instructionSet())";
  const env = { ...process.env, TUNERY_ISA: 'amxx' };
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { env, encoding: 'utf8' });
  expect(status).not.toBe(0);
  expect(stderr).toContain('TUNERY_ISA is amxx');
});
