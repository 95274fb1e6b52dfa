import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const child = fileURLToPath(new URL('../../tests/fakes/prepare-child.ts', import.meta.url));

let folder: string;
const started: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-kill-'));
});
afterEach(() => {
  for (const process of started) process.kill('SIGKILL');
  started.length = 0;
  rmSync(folder, { recursive: true, force: true });
});

const write = (rows: number): string => {
  const file = join(folder, 'rows.jsonl');
  const row = { instruction: 'Question', output: 'x'.repeat(500) };
  writeFileSync(file, Array.from({ length: rows }, () => JSON.stringify(row)).join('\n'));
  return file;
};

const hold = (): string => join(folder, 'hold');

type Said = { readonly rows?: number; readonly notice?: string; readonly digest?: string };

function start(file: string) {
  const running = spawn(process.execPath, [child, join(folder, 'cache'), file, hold()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(running);
  const lines = createInterface({ input: running.stdout! });
  const said: Said[] = [];
  const over = once(running, 'exit');
  lines.on('line', (line) => said.push(JSON.parse(line) as Said));
  const until = async (wanted: (line: Said) => boolean): Promise<Said> => {
    for (;;) {
      const found = said.find(wanted);
      if (found) return found;
      await Promise.race([once(lines, 'line'), over]);
      if (running.exitCode !== null && !said.some(wanted)) throw new Error(JSON.stringify(said));
    }
  };
  return { running, until, over };
}

const hasDigest = ({ digest }: Said): boolean => digest !== undefined;
const inCache = (): string[] => readdirSync(join(folder, 'cache')).sort();

test('killed while it writes: nothing looks complete, and the next one clears up', async () => {
  const file = write(6_000);
  const first = start(file);
  await first.until(({ rows }) => rows !== undefined);
  first.running.kill('SIGKILL');
  await first.over;
  const left = inCache();
  expect(left.filter((name) => /^[0-9a-f]{32}$/.test(name))).toEqual([]);
  // The folder that it was filling, and the rows that were on the disk meanwhile.
  expect(left.filter((name) => name.includes('.tunery-new-')).length).toBe(2);

  await start(file).until(hasDigest);
  const after = inCache();
  expect(after.filter((name) => name.startsWith('.'))).toEqual([]);
  expect(after.filter((name) => /^[0-9a-f]{32}$/.test(name)).length).toBe(2);
}, 60_000);

test('two at once make the set once: the second waits, says so, and takes it', async () => {
  const file = write(6_000);
  writeFileSync(hold(), '');
  const first = start(file);
  await first.until(({ rows }) => rows !== undefined);
  const second = start(file);
  const { notice } = await second.until((line) => line.notice !== undefined);
  expect(notice).toContain('another process prepares the same rows');
  rmSync(hold());
  const [a, b] = await Promise.all([first.until(hasDigest), second.until(hasDigest)]);
  expect(b.digest).toBe(a.digest);
}, 60_000);

test('the death of the one that makes it lets the other go on', async () => {
  const file = write(6_000);
  writeFileSync(hold(), '');
  const first = start(file);
  await first.until(({ rows }) => rows !== undefined);
  const second = start(file);
  await second.until((line) => line.notice !== undefined);
  first.running.kill('SIGKILL');
  rmSync(hold());
  await second.until(hasDigest);
}, 60_000);
