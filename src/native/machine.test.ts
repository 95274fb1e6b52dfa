import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
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
  expect(['portable', 'avx2', 'avx512', 'avx512-bf16', 'amx']).toContain(instructionSet());
});

test('the number of threads can be set, and set back', () => {
  const before = threads();
  setThreads(3);
  expect(threads()).toBe(3);
  setThreads(0);
  expect(threads()).toBeGreaterThan(0);
  setThreads(before);
});
