import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { controlName, controlReader, sendCommand } from './control-file.ts';
import { followEvents, openEvents, readEvents } from './events-file.ts';
import { takeLock } from './lock.ts';
import { openRowLosses, readRowLosses } from './row-losses.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-events-'));
  path = join(folder, 'events.jsonl');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const saved = (step: number) => ({
  type: 'checkpoint-saved' as const,
  step,
  folder: 'ä → 語',
  bytes: 1,
});

test('what is emitted is read back, with the run and the attempt', () => {
  const events = openEvents(path, 'r', 2);
  events.emit(saved(1));
  events.close();
  expect(readEvents(path)).toEqual([
    expect.objectContaining({ schema: 1, run_id: 'r', attempt: 2, ...saved(1) }),
  ]);
});

test('a torn last line is passed over by readers and cut off by the next writer', () => {
  const events = openEvents(path, 'r', 1);
  events.emit(saved(1));
  events.emit(saved(2));
  events.close();
  const whole = readFileSync(path);
  for (const cut of [1, 5, 60]) {
    writeFileSync(path, whole.subarray(0, whole.length - cut));
    expect(readEvents(path).map((event) => 'step' in event && event.step)).toEqual([1]);
    const next = openEvents(path, 'r', 2);
    next.emit(saved(3));
    next.close();
    expect(readEvents(path)).toMatchObject([
      { step: 1, attempt: 1 },
      { step: 3, attempt: 2 },
    ]);
  }
});

test('lines that this version does not know are passed over', () => {
  const events = openEvents(path, 'r', 1);
  events.emit(saved(1));
  appendFileSync(path, '{"schema":2,"type":"from-the-future"}\nnot json\n');
  events.emit(saved(2));
  events.close();
  expect(readEvents(path)).toMatchObject([{ step: 1 }, { step: 2 }]);
});

test('a follower gets every event once: from before, while it waits, torn and repaired, and to the last', async () => {
  const stop = new AbortController();
  const seen: number[] = [];
  const following = (async () => {
    // The file appears only later.
    for await (const event of followEvents(path, stop.signal, { every: 20 })) {
      if (event.type === 'checkpoint-saved') seen.push(event.step);
    }
  })();
  const until = async (count: number): Promise<void> => {
    while (seen.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const first = openEvents(path, 'r', 1);
  first.emit(saved(1));
  await until(1);
  first.emit(saved(2));
  first.close();
  await until(2);
  // A writer dies in the middle of a line, and its successor repairs the file.
  appendFileSync(path, '{"schema":1,"run_id":"r","att');
  await new Promise((resolve) => setTimeout(resolve, 60));
  const second = openEvents(path, 'r', 2);
  for (let step = 3; step <= 2000; step++) second.emit(saved(step));
  await until(2000);
  second.emit(saved(2001));
  stop.abort();
  await following;
  second.close();
  expect(seen).toEqual(Array.from({ length: 2001 }, (_, i) => i + 1));
});

test('a follower can start where another left off', async () => {
  const events = openEvents(path, 'r', 1);
  events.emit(saved(1));
  const from = events.size();
  events.emit(saved(2));
  events.close();
  const seen: unknown[] = [];
  for await (const event of followEvents(path, AbortSignal.abort(), { from })) seen.push(event);
  expect(seen).toMatchObject([{ step: 2 }]);
});

test('wishes reach the living attempt only; save is said once, stop until the end', () => {
  expect(() => sendCommand(folder, 'stop')).toThrow(
    expect.objectContaining({ code: 'runs/not-running' }),
  );
  const earlier = takeLock(folder);
  sendCommand(folder, 'stop');
  earlier.release();

  const lock = takeLock(folder);
  const command = controlReader(folder, lock.id);
  expect(command()).toBe('continue');
  sendCommand(folder, 'save');
  expect(command()).toBe('save');
  expect(command()).toBe('continue');
  // A writer that died in the middle spoils nobody's wish.
  appendFileSync(join(folder, controlName), '{"schema":1,"to');
  expect(command()).toBe('continue');
  sendCommand(folder, 'stop');
  expect(command()).toBe('stop');
  expect(command()).toBe('stop');
  lock.release();
});

test('row losses go on after the step of the checkpoint', () => {
  const file = join(folder, 'row-losses.bin');
  const first = openRowLosses(file, 0);
  for (let step = 1; step <= 5; step++) first.append(step, [step, 7], [0.5, step], [3, 4]);
  first.close();
  // Killed in the middle of a record of step 6.
  appendFileSync(file, Buffer.alloc(9, 6));
  const second = openRowLosses(file, 3);
  second.append(4, [40], [1.5], [2]);
  second.close();
  const all = readRowLosses(file);
  expect(all.map(({ step }) => step)).toEqual([1, 1, 2, 2, 3, 3, 4]);
  expect(all[4]).toEqual({ step: 3, row: 3, sum: 0.5, targets: 3 });
  expect(all[6]).toEqual({ step: 4, row: 40, sum: 1.5, targets: 2 });
});
