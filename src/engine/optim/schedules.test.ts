import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { TuneryError } from '../../core/errors.ts';
import type { AdaptiveState } from './adaptive-schedules.ts';
import {
  countWarmupSteps,
  followsMetric,
  learningRateAt,
  makeSchedule,
  scheduleNames,
} from './schedules.ts';

// Written by transformers itself: `npm run golden -- schedules`.
const golden = z
  .object({
    learning_rate: z.number(),
    total_steps: z.number(),
    warmups: z.array(z.tuple([z.number(), z.number(), z.number().nullable(), z.number()])),
    cases: z.array(
      z.object({
        name: z.enum(scheduleNames),
        warmup_steps: z.number(),
        settings: z.record(z.string(), z.unknown()),
        rates: z.array(z.number()),
        metrics: z.array(z.number()).optional(),
      }),
    ),
  })
  .parse(
    JSON.parse(
      readFileSync(new URL('../../../tests/golden/schedules.json', import.meta.url), 'utf8'),
    ),
  );

const span = (warmupSteps: number) => ({
  learningRate: golden.learning_rate,
  totalSteps: golden.total_steps,
  warmupSteps,
});

test('every name of Hugging Face has a golden case', () => {
  expect(new Set(golden.cases.map(({ name }) => name))).toEqual(new Set(scheduleNames));
});

describe.each(
  golden.cases.map(
    (c) => [`${c.name} ${c.warmup_steps} ${JSON.stringify(c.settings)}`, c] as const,
  ),
)('%s', (_, { name, warmup_steps, settings, rates, metrics }) => {
  test('equals transformers at every step', () => {
    const schedule = makeSchedule(name, span(warmup_steps), settings);
    let state = schedule.start;
    expect(followsMetric(name)).toBe(state !== null);
    for (const [step, expected] of rates.entries()) {
      const rate = learningRateAt(schedule, step, state);
      // Both are doubles; only cos and pow may differ in the last place, between libraries.
      expect(Math.abs(rate - expected)).toBeLessThanOrEqual(1e-14 * golden.learning_rate);
      if (state && metrics) {
        state = schedule.observe(state, metrics[step]);
        // The state goes through a checkpoint's JSON unchanged.
        state = JSON.parse(JSON.stringify(state)) as AdaptiveState;
      }
    }
    if (name !== 'constant') expect(new Set(rates).size).toBeGreaterThan(1);
  });
});

test.each(golden.warmups)('warm-up of %s steps, warmup_steps %s, warmup_ratio %s: %s', (...row) => {
  const [total, steps, ratio, expected] = row;
  expect(countWarmupSteps(total, steps, ratio)).toBe(expected);
});

const fault = (run: () => unknown): TuneryError => {
  try {
    run();
  } catch (error) {
    if (error instanceof TuneryError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

test('a wrong setting is named, with what the schedule takes', () => {
  const unknown = fault(() => makeSchedule('cosine', span(0), { num_cycle: 1 }));
  expect(unknown.code).toBe('engine/schedule-setting');
  expect(unknown.message).toContain('did you mean `num_cycles`');
  const kind = fault(() => makeSchedule('polynomial', span(0), { power: 'two' }));
  expect(kind.message).toContain('lr_scheduler_kwargs.power of `polynomial`');
  const end = fault(() => makeSchedule('polynomial', span(0), { lr_end: 1 }));
  expect(end.message).toContain('must be smaller than learning_rate');
  const floor = fault(() => makeSchedule('cosine_with_min_lr', span(0)));
  expect(floor.message).toContain('set one of `min_lr` and `min_lr_rate`');
  const both = { min_lr: 1e-5, min_lr_rate: 0.1 };
  expect(() => makeSchedule('cosine_warmup_with_min_lr', span(0), both)).toThrow(TuneryError);
  expect(fault(() => makeSchedule('linear', span(0), { power: 1 })).help).toContain('no settings');
});

test('a warm-up as long as the run gives numbers at every step', () => {
  for (const name of scheduleNames) {
    const settings = name.includes('min_lr') ? { min_lr: 1e-6 } : {};
    const schedule = makeSchedule(name, span(golden.total_steps), settings);
    for (let step = 0; step <= golden.total_steps + 1; step++) {
      expect(Number.isFinite(learningRateAt(schedule, step)), `${name} at ${step}`).toBe(true);
    }
  }
});
