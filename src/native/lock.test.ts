import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { lockFile } from './lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a lock has one holder until it is released', () => {
  const path = join(folder, 'one');
  const lock = lockFile(path);
  expect(lock).toBeDefined();
  expect(lockFile(path)).toBeUndefined();
  lock?.release();
  lock?.release();
  const again = lockFile(path);
  expect(again).toBeDefined();
  again?.release();
});

test('another process holds it, and a killed one no longer does', async () => {
  const path = join(folder, 'other');
  const module = fileURLToPath(new URL('./lock.ts', import.meta.url));
  const script = `import { lockFile } from ${JSON.stringify(module)};
    console.log(lockFile(${JSON.stringify(path)}) === undefined ? 'no' : 'yes'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  const [answer] = await once(child.stdout, 'data');
  expect(String(answer).trim()).toBe('yes');
  expect(lockFile(path)).toBeUndefined();
  child.kill('SIGKILL');
  await once(child, 'exit');
  const lock = lockFile(path);
  expect(lock).toBeDefined();
  lock?.release();
});
