import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockHolder, takeLock } from './lock.ts';

const taker = fileURLToPath(new URL('../../tests/fakes/lock-taker.ts', import.meta.url));

let folder: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-lock-'));
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<ChildProcess> {
  const child = fork(taker, [], { execArgv: [] });
  children.push(child);
  await once(child, 'message');
  return child;
}

type Answer = { readonly won: boolean; readonly code?: string; readonly id?: string };

async function ask(child: ChildProcess): Promise<Answer> {
  const answer = once(child, 'message');
  child.send(folder);
  return (await answer)[0];
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('a held lock is refused, with the process that holds it; a released one is free', () => {
  const lock = takeLock(folder);
  expect(lockHolder(folder)).toMatchObject({ pid: process.pid, id: lock.id });
  expect(() => takeLock(folder)).toThrow(
    expect.objectContaining({
      code: 'runs/is-live',
      message: expect.stringContaining(`process ${process.pid}`),
    }),
  );
  lock.release();
  expect(lockHolder(folder)).toBeUndefined();
  takeLock(folder).release();
  expect(readdirSync(folder)).toEqual([]);
});

test('the lock of a killed process is taken over, and leaves nothing behind', async () => {
  const child = await start();
  expect(await ask(child)).toMatchObject({ won: true });
  expect(() => takeLock(folder)).toThrow(expect.objectContaining({ code: 'runs/is-live' }));
  await kill(child);
  expect(lockHolder(folder)).toBeUndefined();
  const lock = takeLock(folder);
  expect(lockHolder(folder)?.id).toBe(lock.id);
  expect(readdirSync(folder)).toEqual(['run.lock']);
  lock.release();
});

test('a process number that went to another process holds nothing', () => {
  const lock = takeLock(folder);
  const holder = lockHolder(folder)!;
  lock.release();
  // The same process number, born at another time: this very process, as it were, in its former life.
  const [pid, , host] = holder.owner.split('-');
  const owner = `${pid}-00000000-${host}`;
  writeFileSync(join(folder, 'run.lock'), JSON.stringify({ ...holder, owner }));
  expect(lockHolder(folder)).toBeUndefined();
  takeLock(folder).release();
});

test('a lock of another host holds while it is touched, and not for ever', async () => {
  const lock = takeLock(folder);
  const holder = lockHolder(folder)!;
  lock.release();
  const path = join(folder, 'run.lock');
  const owner = '1-12345678-otherone';
  writeFileSync(path, JSON.stringify({ ...holder, owner, host: 'elsewhere' }));
  expect(() => takeLock(folder)).toThrow(/elsewhere/);
  const { utimesSync } = await import('node:fs');
  const longAgo = Date.now() / 1000 - 600;
  utimesSync(path, longAgo, longAgo);
  takeLock(folder).release();
});

test('a lock moves with its folder', () => {
  const lock = takeLock(folder);
  const moved = `${folder}.bak-1`;
  renameSync(folder, moved);
  const second = takeLock(folder);
  lock.release(moved);
  expect(readdirSync(moved)).toEqual([]);
  expect(lockHolder(folder)?.id).toBe(second.id);
  rmSync(moved, { recursive: true });
});

describe('many at once', () => {
  test.each([
    ['on a free folder', 'free'],
    ['on one whose holder was killed', 'stale'],
  ])('%s: exactly one wins, round after round', { timeout: 120_000 }, async (_, state) => {
    const rivals = await Promise.all(Array.from({ length: 6 }, start));
    let corpse: ChildProcess | undefined;
    for (let round = 0; round < 12; round++) {
      if (state === 'stale') {
        corpse = await start();
        expect(await ask(corpse)).toMatchObject({ won: true });
        await kill(corpse);
      }
      const answers = await Promise.all(rivals.map(ask));
      expect(answers.filter(({ won }) => won)).toHaveLength(1);
      expect(answers.filter(({ code }) => code === 'runs/is-live')).toHaveLength(5);
      // The winner dies with its lock; the next round finds a stale one, or an empty folder.
      const winner = answers.findIndex(({ won }) => won);
      expect(lockHolder(folder)?.id).toBe(answers[winner]?.id);
      await kill(rivals[winner]!);
      rivals[winner] = await start();
      if (state === 'free') rmSync(join(folder, 'run.lock'));
    }
    expect(readdirSync(folder).length).toBeLessThanOrEqual(1);
  });
});
