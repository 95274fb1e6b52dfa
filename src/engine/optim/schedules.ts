/**
 * @file Learning-rate schedules: every name that transformers 5.6 knows (`SchedulerType`), with its formula and
 * its `lr_scheduler_kwargs`. A schedule is a pure function of the steps taken; two of them also follow a metric.
 */
import { z } from 'zod';
import { type AdaptiveState, adaptive } from './adaptive-schedules.ts';
import { scheduleSetting } from './errors.ts';

/** What every schedule is made from, besides its own settings. */
export type Span = {
  /** Peak rate. */
  readonly learningRate: number;
  readonly totalSteps: number;
  readonly warmupSteps: number;
};

export type Schedule = {
  readonly name: ScheduleName;
  /** Where the state of a schedule that follows a metric begins; null for all others. */
  readonly start: AdaptiveState | null;
  readonly rate: (step: number, state: AdaptiveState | null) => number;
  readonly observe: (state: AdaptiveState, metric: number) => AdaptiveState;
};

/** The factor of the peak rate after `step` steps. */
type Factor = (step: number) => number;

const { PI, cos, max, sqrt } = Math;

/** Half a wave per 0.5 cycles, from 1 to 0: the shape of every cosine schedule. */
const wave = (progress: number, cycles: number) => 0.5 * (1 + cos(PI * cycles * 2 * progress));

/** Linear rise from 0, then `after`. */
const warmed =
  ({ warmupSteps }: Span, after: Factor): Factor =>
  (step) =>
    step < warmupSteps ? step / max(1, warmupSteps) : after(step);

/** 0 at the end of the warm-up, 1 at the end of the run. */
const progressOf = (span: Span, step: number) =>
  (step - span.warmupSteps) / max(1, span.totalSteps - span.warmupSteps);

const cycles = z.number().default(0.5);
const floor = {
  min_lr: z.number().nonnegative().nullish(),
  min_lr_rate: z.number().nonnegative().nullish(),
};

function floorRate(
  name: string,
  span: Span,
  s: { min_lr?: number | null | undefined; min_lr_rate?: number | null | undefined },
): number {
  const [absolute, relative] = [s.min_lr ?? undefined, s.min_lr_rate ?? undefined];
  if ((absolute === undefined) === (relative === undefined)) {
    throw scheduleSetting(name, 'min_lr', 'set one of `min_lr` and `min_lr_rate`', [
      'min_lr',
      'min_lr_rate',
    ]);
  }
  return relative ?? (absolute as number) / span.learningRate;
}

const shape = z.enum(['linear', 'cosine', '1-sqrt']);

/** A schedule: what its settings are, and the factor that they and the span make. */
function define<S extends z.ZodObject>(settings: S, make: (s: z.output<S>, span: Span) => Factor) {
  return { settings, make: (s: unknown, span: Span) => make(settings.parse(s), span) };
}

const none = z.strictObject({});

const fixed = {
  linear: define(none, (_, span) =>
    warmed(span, (step) =>
      max(0, (span.totalSteps - step) / max(1, span.totalSteps - span.warmupSteps)),
    ),
  ),

  cosine: define(z.strictObject({ num_cycles: cycles }), (s, span) =>
    warmed(span, (step) => max(0, wave(progressOf(span, step), s.num_cycles))),
  ),

  cosine_with_restarts: define(
    z.strictObject({ num_cycles: z.number().positive().default(1) }),
    (s, span) =>
      warmed(span, (step) => {
        const progress = progressOf(span, step);
        return progress >= 1 ? 0 : max(0, wave((s.num_cycles * progress) % 1, 0.5));
      }),
  ),

  polynomial: define(
    z.strictObject({
      lr_end: z.number().nonnegative().default(1e-7),
      power: z.number().default(1),
    }),
    ({ lr_end, power }, span) => {
      const { learningRate, totalSteps, warmupSteps } = span;
      if (learningRate <= lr_end) {
        const fault = `must be smaller than learning_rate (${learningRate}), got ${lr_end}`;
        throw scheduleSetting('polynomial', 'lr_end', fault, ['lr_end', 'power']);
      }
      return warmed(span, (step) => {
        if (step >= totalSteps) return lr_end / learningRate;
        const left = 1 - (step - warmupSteps) / (totalSteps - warmupSteps);
        return ((learningRate - lr_end) * left ** power + lr_end) / learningRate;
      });
    },
  ),

  constant: define(none, () => () => 1),

  constant_with_warmup: define(none, (_, span) => warmed(span, () => 1)),

  inverse_sqrt: define(
    z.strictObject({ timescale: z.number().positive().nullish() }),
    (s, span) => {
      const timescale = s.timescale ?? (span.warmupSteps || 10_000);
      const shift = timescale - span.warmupSteps;
      return warmed(span, (step) => 1 / sqrt((step + shift) / timescale));
    },
  ),

  cosine_with_min_lr: define(z.strictObject({ num_cycles: cycles, ...floor }), (s, span) => {
    const least = floorRate('cosine_with_min_lr', span, s);
    return warmed(span, (step) =>
      max(0, wave(progressOf(span, step), s.num_cycles) * (1 - least) + least),
    );
  }),

  /** One step ahead of the others: its first rate is not 0, and its last is the floor. */
  cosine_warmup_with_min_lr: define(
    z.strictObject({ num_cycles: cycles, ...floor, warmup_lr_rate: z.number().nullish() }),
    (s, span) => {
      const least = floorRate('cosine_warmup_with_min_lr', span, s);
      const { warmupSteps, totalSteps } = span;
      const first = s.warmup_lr_rate ?? undefined;
      return (step) => {
        if (step < warmupSteps) {
          return first === undefined
            ? (step + 1) / max(1, warmupSteps)
            : first + ((1 - first) * step) / max(1, warmupSteps - 1);
        }
        const progress = (step - warmupSteps + 1) / max(1, totalSteps - warmupSteps);
        return max(0, wave(progress, s.num_cycles) * (1 - least) + least);
      };
    },
  ),

  /**
   * Where neither phase's length is given, a third of what is left after the warm-up is stable and the rest
   * decays, as LLaMA-Factory has it (transformers refuses); one given: the other is what is left, as transformers has it.
   */
  warmup_stable_decay: define(
    z.strictObject({
      num_decay_steps: z.int().nonnegative().nullish(),
      num_stable_steps: z.int().nonnegative().nullish(),
      warmup_type: shape.default('linear'),
      decay_type: shape.default('cosine'),
      min_lr_ratio: z.number().nonnegative().default(0),
      num_cycles: cycles,
    }),
    (s, { warmupSteps, totalSteps }) => {
      const left = totalSteps - warmupSteps;
      const given = s.num_decay_steps ?? undefined;
      const stable =
        s.num_stable_steps ?? (given === undefined ? Math.floor(left / 3) : left - given);
      const decay = given ?? left - stable;
      const least = s.min_lr_ratio;
      const above = (factor: number) => max(0, factor * (1 - least) + least);
      const rise = {
        linear: (p: number) => p,
        cosine: (p: number) => 0.5 * (1 - cos(PI * p)),
        '1-sqrt': (p: number) => 1 - sqrt(1 - p),
      }[s.warmup_type];
      const fall = {
        linear: (p: number) => 1 - p,
        cosine: (p: number) => wave(p, s.num_cycles),
        '1-sqrt': (p: number) => 1 - sqrt(p),
      }[s.decay_type];
      return (step) => {
        if (step < warmupSteps) return above(rise(step / max(1, warmupSteps)));
        if (step < warmupSteps + stable) return 1;
        if (step >= warmupSteps + stable + decay) return least;
        return above(fall((step - warmupSteps - stable) / max(1, decay)));
      };
    },
  ),
};

export const scheduleNames = [
  'linear',
  'cosine',
  'cosine_with_restarts',
  'polynomial',
  'constant',
  'constant_with_warmup',
  'inverse_sqrt',
  'reduce_lr_on_plateau',
  'cosine_with_min_lr',
  'cosine_warmup_with_min_lr',
  'warmup_stable_decay',
  'greedy',
] as const;
export type ScheduleName = (typeof scheduleNames)[number];

const isAdaptive = (name: ScheduleName): name is keyof typeof adaptive => name in adaptive;

/** True for a schedule that follows the evaluation's metric: it needs an `eval_strategy`. */
export const followsMetric = (name: ScheduleName): boolean => isAdaptive(name);

/**
 * Steps of the warm-up as transformers 5.6 counts them: a ratio, where given, wins over `steps`;
 * below 1 either is a share of the run, rounded up; from 1 on it is a number of steps.
 */
export function countWarmupSteps(totalSteps: number, steps: number, ratio?: number | null): number {
  const value = ratio ?? steps;
  return value >= 1 ? Math.trunc(value) : Math.ceil(totalSteps * value);
}

/** Reads the schedule's settings (`lr_scheduler_kwargs`); a wrong one is named. */
function checked<T>(name: ScheduleName, known: readonly string[], parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const [issue] = error.issues;
    const key = issue.code === 'unrecognized_keys' ? issue.keys[0] : issue.path.join('.');
    throw scheduleSetting(name, key, issue.message, known);
  }
}

/** A schedule by its Hugging Face name. `settings` are the run's `lr_scheduler_kwargs`. */
export function makeSchedule(
  name: ScheduleName,
  span: Span,
  settings: Readonly<Record<string, unknown>> = {},
): Schedule {
  if (isAdaptive(name)) {
    const { settings: schema, make } = adaptive[name];
    const follow = checked(name, Object.keys(schema.shape), () => make(settings));
    const start = follow.start(span.learningRate);
    return { name, start, observe: follow.observe, rate: (_, state) => (state ?? start).rate };
  }
  const { settings: schema, make } = fixed[name];
  const factor = checked(name, Object.keys(schema.shape), () => make(settings, span));
  return {
    name,
    start: null,
    observe: (state) => state,
    rate: (step) => span.learningRate * factor(step),
  };
}

/** The rate that the next optimizer step uses, when `step` of them have been taken. */
export function learningRateAt(
  schedule: Schedule,
  step: number,
  state: AdaptiveState | null = schedule.start,
): number {
  return schedule.rate(step, state);
}
