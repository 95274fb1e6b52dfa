import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeEntry, fakeRequest, fakeSession } from '../../../tests/fakes/requests.ts';
import type { RunEvent } from '../../core/events.ts';
import { checkpointSteps, latestCheckpoint } from '../../train/checkpoint.ts';
import { sendCommand } from '../control-file.ts';
import { readEvents } from '../events-file.ts';
import { lockHolder } from '../lock.ts';
import { readRowLosses } from '../row-losses.ts';
import type { RunResult } from './engine.ts';
import { nativeEngine } from './engines.ts';

const parentEntry = fileURLToPath(new URL('../../../tests/fakes/run-parent.ts', import.meta.url));
const engine = nativeEngine(fakeEntry);

let place: string;
let out: string;
const processes: ChildProcess[] = [];

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'tunery-run-'));
  out = join(place, 'out');
});

afterEach(() => {
  for (const child of processes.splice(0)) child.kill('SIGKILL');
  rmSync(place, { recursive: true, force: true });
});

type Overrides = Readonly<Record<string, string | number | boolean>>;
type Behavior = Readonly<Record<string, string | number>>;

const run = (overrides: Overrides = {}, behavior: Behavior = {}): Promise<RunResult> =>
  engine.train(fakeRequest({ output_dir: out, ...overrides }, behavior)).result;

const adapter = (folder = out): string => readFileSync(join(folder, 'adapter.bin'), 'utf8');
const errorOf = (result: RunResult): string | undefined =>
  result.error && 'code' in result.error ? String(result.error.code) : result.error?.message;
const codes = (folder = out, attempt = 1): string[] =>
  readEvents(join(folder, 'events.jsonl')).flatMap((event) =>
    event.type === 'warning' && event.attempt === attempt ? [event.code] : [],
  );
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function uninterrupted(overrides: Overrides = {}): Promise<string> {
  const folder = join(place, 'reference');
  expect(await run({ ...overrides, output_dir: folder })).toMatchObject({ outcome: 'finished' });
  return adapter(folder);
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await pause(10);
  expect(condition()).toBe(true);
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('a run from start to end', () => {
  test('gives its events, its logs and its reports', async () => {
    const handle = engine.train(fakeRequest({ output_dir: out }));
    const events: RunEvent[] = [];
    for await (const event of handle.events()) events.push(event);
    expect(await handle.result).toEqual({ outcome: 'finished', folder: out, error: undefined });
    expect(events[0]).toMatchObject({ type: 'run-start', total_steps: 40, from_step: 0 });
    expect(events.filter(({ type }) => type === 'step-end')).toHaveLength(40);
    expect(events.filter(({ type }) => type === 'checkpoint-saved')).toHaveLength(8);
    expect(events.at(-1)).toMatchObject({ type: 'run-end', outcome: 'finished' });
    expect(events).toEqual(readEvents(join(out, 'events.jsonl')));

    const state = JSON.parse(readFileSync(join(out, 'trainer_state.json'), 'utf8'));
    expect(state).toMatchObject({ global_step: 40, max_steps: 40, logging_steps: 2 });
    expect(state.log_history).toHaveLength(21);
    expect(state.log_history[20]).toMatchObject({ step: 40, train_loss: expect.any(Number) });
    const log = readFileSync(join(out, 'trainer_log.jsonl'), 'utf8').trim().split('\n');
    expect(log).toHaveLength(21);
    expect(JSON.parse(log[4]!)).toMatchObject({
      current_steps: 10,
      total_steps: 40,
      percentage: 25,
      loss: expect.any(Number),
      lr: 5e-5,
      elapsed_time: expect.stringMatching(/^\d:\d\d:\d\d$/),
      remaining_time: expect.stringMatching(/^\d:\d\d:\d\d$/),
      total_tokens: 1000,
    });
    expect(JSON.parse(log[20]!)).not.toHaveProperty('loss');
    const losses = events.flatMap((event) => (event.type === 'step-end' ? event.loss : []));
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    const results = JSON.parse(readFileSync(join(out, 'all_results.json'), 'utf8'));
    expect(results).toMatchObject({
      train_loss: expect.closeTo(mean, 10),
      num_input_tokens_seen: 4000,
      train_runtime: expect.any(Number),
      train_samples_per_second: expect.any(Number),
      train_steps_per_second: expect.any(Number),
      effective_tokens_per_sec: expect.any(Number),
    });
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('base_model: "fake"');
    expect(readFileSync(join(out, 'training_loss.svg'), 'utf8')).toContain('<polyline');
    expect(readRowLosses(join(out, 'row-losses.bin'))).toHaveLength(160);
    expect(readdirSync(out).filter((name) => /^\.|lock/.test(name))).toEqual([]);
  });

  test('a stop saves at the step boundary, and the next start goes on to the same end', async () => {
    const expected = await uninterrupted();
    const handle = engine.train(
      fakeRequest({ output_dir: out, save_steps: 500 }, { microBatchMs: 5 }),
    );
    for await (const event of handle.events()) {
      if (event.type === 'step-end' && event.step === 7) handle.stop();
    }
    expect(await handle.result).toMatchObject({ outcome: 'stopped' });
    const [step] = checkpointSteps(out);
    expect(step).toBeGreaterThanOrEqual(7);
    expect(step).toBeLessThan(40);
    expect(await run()).toMatchObject({ outcome: 'finished' });
    expect(adapter()).toBe(expected);
    expect(codes(out, 2)).toEqual(['runs/resumed']);
    // One curve, as if nothing had happened.
    const log = readFileSync(join(out, 'trainer_log.jsonl'), 'utf8').trim().split('\n');
    expect(log.map((line) => JSON.parse(line).current_steps)).toEqual([
      ...Array.from({ length: 20 }, (_, i) => 2 * i + 2),
      40,
    ]);
    expect(readRowLosses(join(out, 'row-losses.bin')).map(({ step }) => step)).toEqual(
      Array.from({ length: 160 }, (_, i) => 1 + Math.floor(i / 4)),
    );
    const results = (folder: string) =>
      JSON.parse(readFileSync(join(folder, 'train_results.json'), 'utf8'));
    expect(results(out).train_loss).toBe(results(join(place, 'reference')).train_loss);
  });

  test.each(['SIGHUP', 'SIGTERM'] as const)('%s is stop-and-save', async (signal) => {
    const handle = engine.train(
      fakeRequest({ output_dir: out, save_steps: 500 }, { microBatchMs: 5 }),
    );
    await handle.opened;
    await pause(50);
    process.kill(handle.pid, signal);
    expect(await handle.result).toMatchObject({ outcome: 'stopped' });
    expect(latestCheckpoint(out).checkpoint).toBeDefined();
  });

  test('SIGINT is for the parent to answer: the engine goes on', async () => {
    const handle = engine.train(fakeRequest({ output_dir: out }, { microBatchMs: 5 }));
    await handle.opened;
    process.kill(handle.pid, 'SIGINT');
    await pause(30);
    process.kill(handle.pid, 'SIGINT');
    expect(await handle.result).toMatchObject({ outcome: 'finished' });
  });

  test('a process that died before its training is replaced', async () => {
    const request = fakeRequest({ output_dir: out });
    const begun = engine.begin(request.job, request);
    begun.cancel();
    await pause(300);
    expect(await begun.train(request).result).toMatchObject({ outcome: 'finished' });
  });

  test('a wish to save is granted once', async () => {
    const handle = engine.train(
      fakeRequest({ output_dir: out, save_steps: 500 }, { microBatchMs: 5 }),
    );
    for await (const event of handle.events()) {
      if (event.type === 'step-end' && event.step === 3) sendCommand(out, 'save');
    }
    expect(await handle.result).toMatchObject({ outcome: 'finished' });
    expect(checkpointSteps(out)).toHaveLength(2);
  });
});

describe('what is lost when the engine dies', () => {
  test('nothing: killed at random moments, also amid a save, it comes to the same end', {
    timeout: 120_000,
  }, async () => {
    // A checkpoint at each step: most of the time is spent in saving.
    const often = { save_steps: 1, max_steps: 60 };
    const expected = await uninterrupted(often);
    let kills = 0;
    for (let attempt = 0; attempt < 16; attempt++) {
      const handle = engine.train(fakeRequest({ ...often, output_dir: out, save_total_limit: 2 }));
      const opened = handle.opened.catch(() => {});
      await opened;
      const done = await Promise.race([
        handle.result.then(() => true),
        pause(Math.random() * 250).then(() => false),
      ]);
      if (done) break;
      process.kill(handle.pid, 'SIGKILL');
      const result = await handle.result;
      if (result.outcome === 'finished') break;
      expect(errorOf(result)).toBe('runs/engine-killed');
      kills++;
    }
    const last = await run(often);
    // It may have finished under the last kill: a further start is then refused.
    if (last.outcome !== 'finished') expect(errorOf(last)).toBe('runs/folder-in-use');
    expect(kills).toBeGreaterThan(3);
    expect(adapter()).toBe(expected);
    expect(readRowLosses(join(out, 'row-losses.bin')).map(({ step }) => step)).toEqual(
      Array.from({ length: 240 }, (_, i) => 1 + Math.floor(i / 4)),
    );
    expect(readdirSync(out).filter((name) => name.startsWith('.checkpoint'))).toEqual([]);
  });

  test('a crash is told with how to go on', async () => {
    const result = await run({}, { crash: 'exit', atStep: 12 });
    expect(errorOf(result)).toBe('runs/engine-killed');
    expect(result.error).toMatchObject({
      message: expect.stringContaining('SIGSEGV'),
      help: expect.stringContaining('checkpoint-10'),
    });
    expect(await run()).toMatchObject({ outcome: 'finished' });
  });

  test('a fault of ours ends the run as failed, with its place in the code', async () => {
    const result = await run({}, { crash: 'throw', atStep: 3 });
    expect(result).toMatchObject({ outcome: 'failed', error: { message: 'the fake broke' } });
    expect(result.error?.stack).toContain('engine-child.ts');
    expect(readEvents(join(out, 'events.jsonl')).at(-1)).toMatchObject({
      type: 'run-end',
      outcome: 'failed',
      error: { code: 'bug' },
    });
    expect(lockHolder(out)).toBeUndefined();
  });

  test('a torn checkpoint is passed over and named', async () => {
    const expected = await uninterrupted();
    await run({}, { crash: 'exit', atStep: 33 });
    const [newest, before] = checkpointSteps(out);
    const state = join(out, `checkpoint-${newest}`, 'state.safetensors');
    const bytes = readFileSync(state);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(state, bytes);
    expect(latestCheckpoint(out)).toMatchObject({
      checkpoint: { step: before },
      torn: [{ folder: join(out, `checkpoint-${newest}`), why: expect.stringContaining('digest') }],
    });
    expect(await run()).toMatchObject({ outcome: 'finished' });
    expect(codes(out, 2)).toContain('runs/torn-checkpoint');
    expect(adapter()).toBe(expected);
  });
});

describe('when the parent dies', () => {
  async function startParent(
    detached: boolean,
    behavior: Behavior = { microBatchMs: 10 },
  ): Promise<{ parent: ChildProcess; pid: number }> {
    const parent = fork(parentEntry, [], { execArgv: [] });
    processes.push(parent);
    parent.send(fakeRequest({ output_dir: out }, behavior, detached));
    const [{ pid }] = await once(parent, 'message');
    await once(parent, 'message');
    return { parent, pid };
  }

  test('its engine ends by itself, and the run goes on later', async () => {
    const expected = await uninterrupted();
    const { parent, pid } = await startParent(false);
    await until(() => checkpointSteps(out).length > 0);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await until(() => !alive(pid));
    expect(await run()).toMatchObject({ outcome: 'finished' });
    expect(adapter()).toBe(expected);
  });

  test('both killed at once: the run goes on later', async () => {
    const expected = await uninterrupted();
    const { parent, pid } = await startParent(false);
    await until(() => checkpointSteps(out).length > 0);
    process.kill(pid, 'SIGKILL');
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    expect(await run()).toMatchObject({ outcome: 'finished' });
    expect(adapter()).toBe(expected);
  });

  test('a detached engine outlives it, and refuses a second command on its folder', async () => {
    const expected = await uninterrupted();
    const gate = join(place, 'go-on');
    const { parent, pid } = await startParent(true, { holdFor: gate });
    if (parent.exitCode === null) await once(parent, 'exit');
    expect(alive(pid)).toBe(true);
    const second = await run();
    expect(errorOf(second)).toBe('runs/is-live');
    expect(await run({ overwrite_output_dir: true }).then(errorOf)).toBe('runs/is-live');
    writeFileSync(gate, '');
    await until(() => lockHolder(out) === undefined);
    await until(() => !alive(pid));
    expect(adapter()).toBe(expected);
  });
});

describe('start, go on, or refuse', () => {
  test('overwrite_output_dir moves the earlier run, and deletes nothing', async () => {
    await run();
    const before = readdirSync(out);
    expect(await run({ overwrite_output_dir: true })).toMatchObject({ outcome: 'finished' });
    expect(readdirSync(`${out}.bak-1`)).toEqual(before);
    expect(codes()).toEqual(['runs/moved-aside']);
    await run({ overwrite_output_dir: true });
    expect(existsSync(`${out}.bak-2`)).toBe(true);
  });

  test('without it, a finished run and files of other programs are refused with both keys', async () => {
    await run();
    const again = await run();
    expect(errorOf(again)).toBe('runs/folder-in-use');
    expect(again.error).toMatchObject({
      help: expect.stringMatching(/overwrite_output_dir.*resume_from_checkpoint/),
    });
    const foreign = join(place, 'foreign');
    mkdirSync(foreign);
    appendFileSync(join(foreign, 'notes.txt'), 'mine');
    expect(await run({ output_dir: foreign }).then(errorOf)).toBe('runs/folder-in-use');
    expect(readdirSync(foreign)).toEqual(['notes.txt']);
  });

  test('another run’s folder is refused, naming what differs', async () => {
    await run({}, { crash: 'throw', atStep: 12 });
    const other = await run({ learning_rate: 1e-3 }, { data: 'other' });
    expect(errorOf(other)).toBe('runs/other-run');
    expect(other.error?.message).toMatch(/data of `fake`/);
    expect(other.error?.message).toMatch(/`learning_rate` was 0.00005 and is now 0.001/);
  });

  test('resume_from_checkpoint: true starts where there is nothing yet, and says so', async () => {
    expect(await run({ resume_from_checkpoint: true })).toMatchObject({ outcome: 'finished' });
    expect(codes()).toEqual(['runs/nothing-to-resume']);
  });

  test('it wins over overwrite_output_dir, and more steps go on', async () => {
    const expected = await uninterrupted({ max_steps: 55 });
    await run();
    const more = { resume_from_checkpoint: true, overwrite_output_dir: true, max_steps: 55 };
    expect(await run(more)).toMatchObject({ outcome: 'finished' });
    expect(existsSync(`${out}.bak-1`)).toBe(false);
    expect(codes(out, 2)).toEqual(['runs/resume-length', 'runs/resumed']);
    expect(adapter()).toBe(expected);
  });

  test('with other data it is an error naming the difference, and nothing changes', async () => {
    await run();
    const before = readdirSync(out);
    const result = await run({ resume_from_checkpoint: true }, { data: 'other' });
    expect(errorOf(result)).toBe('runs/other-run');
    expect(result.error?.message).toContain('the data of `fake` changed');
    expect(readdirSync(out)).toEqual(before);
  });

  test('a named checkpoint is gone on from; later ones are set aside', async () => {
    await run();
    const expected = adapter();
    const named = { resume_from_checkpoint: join(out, 'checkpoint-20') };
    expect(await run(named)).toMatchObject({ outcome: 'finished' });
    expect(readdirSync(`${out}.bak-1`).sort()).toEqual([
      'checkpoint-25',
      'checkpoint-30',
      'checkpoint-35',
      'checkpoint-40',
    ]);
    expect(adapter()).toBe(expected);
    const elsewhere = join(place, 'elsewhere');
    expect(await run({ ...named, output_dir: elsewhere })).toMatchObject({ outcome: 'finished' });
    expect(adapter(elsewhere)).toBe(expected);
    const missing = await run({ resume_from_checkpoint: join(out, 'checkpoint-7') });
    expect(errorOf(missing)).toBe('train/not-a-checkpoint');
  });

  test('save_total_limit keeps the newest', async () => {
    await run({ save_total_limit: 2 });
    expect(checkpointSteps(out)).toEqual([40, 35]);
  });
});

/** A file system of its own size; undefined where this process may not mount one. */
function smallDisk(bytes: number): string | undefined {
  const mount = join(place, 'disk');
  mkdirSync(mount);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', mount], {
      stdio: 'ignore',
    });
    return mount;
  } catch {
    return undefined;
  }
}

test('a full disk is a clear error; the checkpoint before it stays, and the run goes on', async ({
  skip,
}) => {
  const disk = smallDisk(320 << 10);
  if (disk === undefined) skip('mounting a tmpfs is refused here');
  try {
    const expected = await uninterrupted();
    const folder = join(disk!, 'out');
    const result = await run({ output_dir: folder });
    expect(errorOf(result)).toBe('files/disk-full');
    expect(result.error).toMatchObject({ help: expect.stringContaining('resume_from_checkpoint') });
    const { checkpoint, torn } = latestCheckpoint(folder);
    expect(checkpoint?.step).toBeGreaterThan(0);
    expect(torn).toEqual([]);
    expect(readEvents(join(folder, 'events.jsonl')).at(-1)).toMatchObject({
      type: 'run-end',
      outcome: 'failed',
      error: { code: 'files/disk-full' },
    });
    // Room is made, and nothing was lost.
    const [, ...older] = checkpointSteps(folder);
    for (const step of older) rmSync(join(folder, `checkpoint-${step}`), { recursive: true });
    expect(await run({ output_dir: folder, save_total_limit: 1 })).toMatchObject({
      outcome: 'finished',
    });
    expect(adapter(folder)).toBe(expected);
  } finally {
    execFileSync('umount', ['-l', disk!]);
  }
});

describe('a session', () => {
  test('gives parts as they come, and a result', async () => {
    const session = await engine.open(fakeSession());
    expect(session.about).toEqual({ context_length: 7 });
    const parts: unknown[] = [];
    const stream = session.stream('count', 4);
    let next = await stream.next();
    for (; !next.done; next = await stream.next()) parts.push(next.value);
    expect(parts).toEqual([0, 1, 2, 3].map((n) => Float32Array.of(n)));
    expect(next.value).toEqual({ given: 4, cancelled: false });
    await session.close();
  });

  test('cancels, runs calls side by side, and tells each its error', async () => {
    const session = await engine.open(fakeSession());
    const abort = new AbortController();
    const long = session.stream('count', 12, abort.signal);
    await long.next();
    abort.abort();
    expect(await session.call('count', 3)).toEqual({ given: 3, cancelled: false });
    await expect(session.call('count', 20)).rejects.toThrow('thirteen');
    let last = await long.next();
    while (!last.done) last = await long.next();
    expect(last.value).toMatchObject({ cancelled: true });
    await expect(session.call('sing', 1)).rejects.toThrow('no method sing');
    await session.close();
    await expect(session.call('count', 1)).rejects.toThrow();
  });

  test('a session that dies says so to whoever waits', async () => {
    const session = await engine.open(fakeSession());
    await expect(session.call('die', null)).rejects.toMatchObject({ code: 'runs/engine-killed' });
  });
});
