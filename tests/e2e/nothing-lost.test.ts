/**
 * @file Nothing is ever lost: the real program and its real engine, killed and stopped in every way, end with the very
 * bytes of an uninterrupted run. TUNERY_DEEP=1 tries many more moments, and a real model.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { tuneryCache } from '../../src/files/hub-cache.ts';
import { environment } from '../../src/native/environment.ts';
import { eventsName, readEvents } from '../../src/runs/events-file.ts';
import { lockHolder } from '../../src/runs/lock.ts';
import {
  type Ended,
  isAlive,
  listing,
  makePlace,
  type Place,
  type Running,
  sha256,
  until,
} from './cli.ts';
import { refused, smallDisk } from './small-disk.ts';

// A dozen processes each, on whatever else the machine has to do.
vi.setConfig({ testTimeout: 180_000 });

const deep = environment('TUNERY_DEEP') !== undefined;
const identity = fileURLToPath(new URL('../../data/identity.json', import.meta.url));

type Settings = Readonly<Record<string, string | number | boolean>>;

const base: Settings = {
  model_name_or_path: 'random:llama?hidden_size=64&intermediate_size=96&num_hidden_layers=2',
  stage: 'sft',
  finetuning_type: 'lora',
  lora_dropout: 0.2,
  dataset: 'identity.json',
  cutoff_len: 512,
  per_device_train_batch_size: 4,
  max_steps: 40,
  learning_rate: 1e-3,
  logging_steps: 1,
  save_steps: 3,
  output_dir: 'out',
};

/** A folder with the data and a settings file. */
function makeRun(settings: Settings = {}, cache?: string): Place {
  const place = makePlace(cache);
  copyFileSync(identity, place.at('identity.json'));
  const lines = Object.entries({ ...base, ...settings }).map(
    ([key, value]) => `${key}: ${value}\n`,
  );
  writeFileSync(place.at('run.yaml'), lines.join(''));
  return place;
}

const resume = 'resume_from_checkpoint=true';
const train = (place: Place, ...more: string[]): Promise<Ended> =>
  place.run('train', 'run.yaml', ...more);

async function finishes(place: Place, ...more: string[]): Promise<Ended> {
  const ended = await train(place, ...more);
  expect(ended, ended.err).toMatchObject({ code: 0, hung: false });
  return ended;
}

/** All that a run leaves which does not depend on the clock: its weights, and the curve as if nothing had happened. */
function results(folder: string): unknown {
  const file = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const curve = file('trainer_log.jsonl')
    .trim()
    .split('\n')
    .map((line) => {
      const { elapsed_time: _, remaining_time: __, ...rest } = JSON.parse(line);
      return rest;
    });
  const weights = readdirSync(folder).filter((name) => /model\.safetensors$/.test(name));
  const { train_loss, num_input_tokens_seen } = JSON.parse(file('train_results.json'));
  const { best_metric, best_global_step, global_step } = JSON.parse(file('trainer_state.json'));
  return {
    weights: weights.map((name) => [name, sha256(join(folder, name))]),
    rowLosses: sha256(join(folder, 'row-losses.bin')),
    curve,
    train_loss,
    num_input_tokens_seen,
    best_metric,
    best_global_step,
    global_step,
  };
}

/** What the dead may have left, and what must never stay. */
const leftovers = (folder: string): string[] =>
  readdirSync(folder).filter((name) => /^\.|run\.lock/.test(name));

/** From 0 to 1, the same in every run of the test. */
function seeded(name: string): () => number {
  let count = 0;
  return () => createHash('sha256').update(`${name} ${count++}`).digest().readUInt32LE(0) / 2 ** 32;
}

type Victim = 'engine' | 'parent' | 'both';
/** Amid the work of a step; amid a save; or at any moment, also while the model is loaded. */
type Moment = 'learning' | 'saving' | 'any';

/** How far an attempt comes before it is killed: so many steps at least, and at most; or so many milliseconds. */
type Pace = { readonly least: number; readonly most: number; readonly ms: number };
const pace: Pace = { least: 3, most: 8, ms: 1500 };

/** Waits for the engine to take the folder; undefined where the command ended before. */
async function engineOf(running: Running, folder: string): Promise<number | undefined> {
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  await until('the engine has the folder', () => over || lockHolder(folder) !== undefined);
  return lockHolder(folder)?.pid;
}

const isSaving = (folder: string): boolean =>
  readdirSync(folder).some((name) => /^\.checkpoint-\d+\.tunery-new-/.test(name));

const kill = (pid: number): void => {
  try {
    if (pid > 0) process.kill(pid, 'SIGKILL');
  } catch {
    // It was faster.
  }
};

/** Starts (or goes on), and kills at a moment; true where the run had not ended by itself before. */
async function killOnce(
  place: Place,
  victim: Victim,
  moment: Moment,
  random: () => number,
  { least, most, ms }: Pace = pace,
  running: Running = place.start('train', 'run.yaml', resume),
): Promise<boolean> {
  const folder = place.at('out');
  const engine = await engineOf(running, folder);
  if (engine === undefined) throw new Error((await running.ended).err);
  const over = (): boolean => !isAlive(engine);
  if (moment === 'any') await pause(random() * ms);
  else {
    // Some steps on from where it began, so that the next attempt has something to go on from.
    const from = stepOf(folder) ?? 0;
    const goal = from + least + Math.floor(random() * (most - least + 1));
    await until('it goes on', () => over() || (stepOf(folder) ?? 0) >= goal);
    if (moment === 'saving') await until('it saves', () => over() || isSaving(folder));
    await pause(random() * 60);
  }
  const wasAlive = isAlive(engine);
  if (victim !== 'engine') kill(running.pid);
  if (victim !== 'parent') kill(engine);
  const { code, err } = await running.ended;
  // One that is killed amid an fsync ends when the disk has answered, which may have much else to write.
  await until('no engine is left', () => !isAlive(engine), 60_000);
  if (victim === 'parent' && wasAlive && moment === 'learning') {
    expect(JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')).outcome).not.toBe('finished');
  }
  if (victim === 'engine' && wasAlive && code !== 0) {
    expect(code).toBe(1);
    expect(err).toMatch(/error\[runs\/engine-killed\]: the engine's process was ended by SIGKILL/);
    expect(err).toMatch(/help: run it again with `resume_from_checkpoint=true`|no checkpoint had/);
  }
  return wasAlive;
}

/** The step that a run has come to, in its present attempt. */
const stepOf = (folder: string): number | undefined => {
  const last = readEvents(join(folder, eventsName)).findLast(
    ({ type }) => type === 'step-end' || type === 'run-start',
  );
  return last?.type === 'step-end'
    ? last.step
    : last?.type === 'run-start'
      ? last.from_step
      : undefined;
};
const untilStep = (folder: string, step: number): Promise<void> =>
  until(`step ${step}`, () => (stepOf(folder) ?? 0) >= step);

/** From which step each attempt went on. */
const begins = (folder: string): number[] =>
  readEvents(join(folder, eventsName)).flatMap((event) =>
    event.type === 'run-start' ? [event.from_step] : [],
  );

const checkpoints = (folder: string): number[] =>
  readdirSync(folder)
    .flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Kills again and again, and lets it come to its end. Gives how many kills there were. */
async function killOften(
  place: Place,
  plan: readonly (readonly [Victim, Moment])[],
  random: () => number,
  towards: Pace = pace,
): Promise<number> {
  let kills = 0;
  for (const [victim, moment] of plan) {
    if (await killOnce(place, victim, moment, random, towards)) kills++;
  }
  await finishes(place, resume);
  return kills;
}

const someWays: readonly (readonly [Victim, Moment])[] = [
  ['engine', 'saving'],
  ['parent', 'learning'],
  ['both', 'saving'],
  ['engine', 'learning'],
];
const allWays: typeof someWays = [
  ...someWays,
  ['parent', 'saving'],
  ['both', 'learning'],
  ['both', 'any'],
];

describe('LoRA with dropout', () => {
  const whole = makeRun();
  beforeAll(async () => {
    await finishes(whole);
    expect(leftovers(whole.at('out'))).toEqual([]);
  }, 60_000);
  afterAll(whole.remove);
  const expectWhole = (place: Place): void => {
    expect(results(place.at('out'))).toEqual(results(whole.at('out')));
    expect(leftovers(place.at('out'))).toEqual([]);
  };

  test('killed: the engine, its parent, both, at any moment and amid a save', async () => {
    const place = makeRun();
    try {
      const kills = await killOften(place, someWays, seeded('every way'));
      expect(kills).toBeGreaterThan(2);
      expect(new Set(begins(place.at('out'))).size, 'attempts that went on').toBeGreaterThan(2);
      expectWhole(place);
    } finally {
      place.remove();
    }
  });

  test.for(['SIGINT', 'SIGHUP'] as const)('%s saves and stops', async (signal) => {
    const place = makeRun({ save_steps: 500 });
    try {
      const running = place.start('train', 'run.yaml');
      const engine = (await engineOf(running, place.at('out')))!;
      await untilStep(place.at('out'), 4);
      process.kill(running.pid, signal);
      // A terminal sends Ctrl+C to all of its foreground.
      if (signal === 'SIGINT') process.kill(engine, signal);
      const { code, out, err } = await running.ended;
      expect(code, err).toBe(130);
      const [step] = checkpoints(place.at('out'));
      expect(step).toBeGreaterThanOrEqual(4);
      expect(step).toBeLessThan(40);
      expect(out).toContain(
        `Stopped after step ${step}. To go on from checkpoint-${step}:\n\n  tunery train run.yaml ${resume}\n`,
      );
      if (signal === 'SIGINT') expect(err).toMatch(/^stopping after this step/m);
      expect(isAlive(engine)).toBe(false);
      await finishes(place, resume);
      expectWhole(place);
    } finally {
      place.remove();
    }
  });

  test('a full disk: a clear error, the checkpoint before it intact, and on when there is room', async ({
    skip,
  }) => {
    const place = makeRun({ output_dir: 'disk/out' });
    const disk = smallDisk(place.at('disk'), 1400);
    try {
      if (!disk) skip(refused);
      const folder = place.at('disk', 'out');
      const { code, err } = await train(place);
      const newest = checkpoints(folder).at(-1)!;
      expect(code).toBe(1);
      expect(err).toMatch(
        /^error\[files\/disk-full\]: no space left to write `disk\/out\/checkpoint-/m,
      );
      expect(err).toContain(`it goes on from checkpoint-${newest}, which is as it was`);
      expect(leftovers(folder)).toEqual([]);
      for (const step of checkpoints(folder).slice(0, -1)) {
        rmSync(join(folder, `checkpoint-${step}`), { recursive: true });
      }
      const { err: notes } = await finishes(place, resume, 'save_total_limit=1');
      expect(notes).toContain(`note: going on after step ${newest}`);
      expect(results(folder)).toEqual(results(whole.at('out')));
    } finally {
      disk?.unmount();
      place.remove();
    }
  });
});

test.runIf(deep)('killed twenty times', { timeout: 900_000 }, async () => {
  const settings = { max_steps: 150, save_steps: 1, save_total_limit: 3 };
  const [whole, place] = [makeRun(settings), makeRun(settings)];
  try {
    await finishes(whole);
    const random = seeded('often');
    const pick = <Item>(items: readonly Item[]): Item =>
      items[Math.floor(random() * items.length)]!;
    const ways = Array.from({ length: 20 }, () => {
      const victim: Victim = pick(['engine', 'parent', 'both']);
      const moment: Moment = pick(['any', 'learning', 'saving']);
      return [victim, moment] as const;
    });
    const kills = await killOften(place, ways, random);
    console.info(
      `${kills} kills; attempts began after steps ${begins(place.at('out')).join(', ')}`,
    );
    expect(kills).toBeGreaterThan(15);
    expect(results(place.at('out'))).toEqual(results(whole.at('out')));
  } finally {
    whole.remove();
    place.remove();
  }
});

test('full fine-tuning that ends with its best weights: killed amid a save after the best', async () => {
  const settings: Settings = {
    finetuning_type: 'full',
    // So high that an early evaluation stays the best, and not so high that the last bits of a sum decide which.
    learning_rate: 0.03,
    lr_scheduler_type: 'constant',
    max_samples: 20,
    max_steps: 10,
    val_size: 0.2,
    eval_strategy: 'steps',
    eval_steps: 2,
    save_steps: 2,
    save_total_limit: 2,
    load_best_model_at_end: true,
  };
  const [whole, place] = [makeRun(settings), makeRun(settings)];
  try {
    await finishes(whole);
    const expected = results(whole.at('out'));
    const best = Number(Reflect.get(Object(expected), 'best_global_step'));
    expect(best).toBeGreaterThan(0);
    expect(best).toBeLessThan(8);
    const weights = 'model.safetensors';
    expect(sha256(whole.at('out', weights))).toBe(
      sha256(whole.at('out', `checkpoint-${best}`, weights)),
    );
    const running = place.start('train', 'run.yaml');
    await engineOf(running, place.at('out'));
    await untilStep(place.at('out'), best + 1);
    expect(await killOnce(place, 'engine', 'saving', () => 0, pace, running)).toBe(true);
    await finishes(place, resume);
    expect(results(place.at('out'))).toEqual(expected);
  } finally {
    whole.remove();
    place.remove();
  }
});

test('more epochs go on to the end of a run that was as long from the start', async () => {
  const settings: Settings = {
    max_steps: -1,
    max_samples: 20,
    num_train_epochs: 2,
    lr_scheduler_type: 'constant',
  };
  const [whole, place] = [makeRun(settings), makeRun(settings)];
  try {
    await Promise.all([finishes(whole), finishes(place, 'num_train_epochs=1')]);
    const { err } = await finishes(place, resume, 'overwrite_output_dir=true');
    expect(err).toContain('note: `num_train_epochs` was 1 and is now 2');
    expect(results(place.at('out'))).toMatchObject({ global_step: 10 });
    const weights = 'adapter_model.safetensors';
    expect(sha256(place.at('out', weights))).toBe(sha256(whole.at('out', weights)));
    expect(readdirSync(place.folder)).not.toContain('out.bak-1');
  } finally {
    whole.remove();
    place.remove();
  }
});

test('starts, goes on, moves aside: what lies in the folder is told, and kept', async () => {
  const place = makeRun({ max_steps: 12, save_steps: 500 });
  const out = place.at('out');
  try {
    const running = place.start('train', 'run.yaml', resume);
    await engineOf(running, out);
    await untilStep(out, 2);
    process.kill(running.pid, 'SIGINT');
    const first = await running.ended;
    expect(first.code).toBe(130);
    expect(first.err).toContain(
      'note: `out` has no complete checkpoint yet: the run starts at its first step\n',
    );
    const [step] = checkpoints(out);

    const second = await finishes(place);
    expect(second.err).toContain(
      `note: going on after step ${step}, from \`out/checkpoint-${step}\`\n`,
    );
    const finished = listing(out);
    const weights = results(out);

    const third = await finishes(place, 'overwrite_output_dir=true');
    expect(third.err).toMatch(/^note: the earlier run was moved to `.*\/here\/out\.bak-1`$/m);
    expect(listing(place.at('out.bak-1'))).toEqual(finished);
    expect(results(out)).toEqual(weights);

    const fourth = await finishes(place, 'overwrite_output_dir=true', resume);
    expect(fourth.err).toContain('note: going on after step 12');
    expect(readdirSync(place.folder).filter((name) => name.includes('.bak-'))).toEqual([
      'out.bak-1',
    ]);
    expect(results(out)).toEqual(weights);
  } finally {
    place.remove();
  }
});

test('a detached run outlives its command, is refused to others, and stops when told', async () => {
  const place = makeRun({ max_steps: 5000, save_steps: 5000 });
  try {
    const started = await finishes(place, '--detach');
    const engine = lockHolder(place.at('out'))?.pid ?? 0;
    expect(started.out).toContain(`run     out (process ${engine}, goes on by itself)`);
    expect(isAlive(engine)).toBe(true);
    const { code, err } = await train(place, 'overwrite_output_dir=true');
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error\[runs\/is-live\]: a run is going on in `out` \(process \d+, since .*\)\n {2}--> out\n {2}help: wait for it, stop it with `tunery runs stop`, or choose another `output_dir`$/m,
    );
    expect(readdirSync(place.folder)).not.toContain('out.bak-1');
    expect(await place.run('runs', 'stop', 'out')).toMatchObject({ code: 0 });
    await until('it has stopped', () => !isAlive(engine));
    expect(checkpoints(place.at('out'))).toHaveLength(1);
    expect(leftovers(place.at('out'))).toEqual([]);
  } finally {
    kill(lockHolder(place.at('out'))?.pid ?? 0);
    place.remove();
  }
});

test.runIf(deep)('a real model, killed in every way', { timeout: 1_200_000 }, async () => {
  const settings: Settings = {
    model_name_or_path: 'HuggingFaceTB/SmolLM2-135M-Instruct',
    cutoff_len: 64,
    per_device_train_batch_size: 1,
    max_steps: 16,
    save_steps: 1,
    lora_target: 'all',
  };
  const cache = tuneryCache();
  const [whole, place] = [makeRun(settings, cache), makeRun(settings, cache)];
  try {
    await finishes(whole);
    const kills = await killOften(place, allWays, seeded('real'), {
      least: 1,
      most: 2,
      ms: 10_000,
    });
    console.info(
      `${kills} kills; attempts began after steps ${begins(place.at('out')).join(', ')}`,
    );
    expect(kills).toBeGreaterThan(4);
    expect(results(place.at('out'))).toEqual(results(whole.at('out')));
  } finally {
    whole.remove();
    place.remove();
  }
});
