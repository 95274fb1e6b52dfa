/**
 * @file Schedules that follow the evaluation's metric: torch's ReduceLROnPlateau, and GreedyLR (arXiv:2512.14527)
 * as transformers 5.6 has it. The state is plain JSON, so that a checkpoint can hold it.
 */
import { z } from 'zod';

/** All that changes. `best` is null before the first metric, since JSON has no infinity. */
export type AdaptiveState = {
  readonly rate: number;
  readonly initialRate: number;
  readonly best: number | null;
  readonly bad: number;
  readonly good: number;
  readonly cooldown: number;
  readonly warmup: number;
  /** Reductions at the floor that are left before a reset (greedy). */
  readonly untilReset: number;
  /** Recent metrics and their running sum (greedy with `smooth`). */
  readonly recent: readonly number[];
  readonly recentSum: number;
};

export type Adaptive = {
  readonly start: (rate: number) => AdaptiveState;
  readonly observe: (state: AdaptiveState, metric: number) => AdaptiveState;
};

const shared = {
  mode: z.enum(['min', 'max']).default('min'),
  patience: z.int().nonnegative().default(10),
  cooldown: z.int().nonnegative().default(0),
  eps: z.number().nonnegative().default(1e-8),
};
const factorBelowOne = z.number().positive().lt(1);
const thresholdMode = z.enum(['rel', 'abs']);

type Better = {
  readonly mode: 'min' | 'max';
  readonly threshold: number;
  readonly threshold_mode: 'rel' | 'abs';
};

function isBetter(s: Better, metric: number, best: number | null): boolean {
  // Anything beats no metric at all, save what is no number or is itself the worst.
  if (best === null) return s.mode === 'min' ? metric < Infinity : metric > -Infinity;
  const sign = s.mode === 'min' ? -1 : 1;
  const mark =
    s.threshold_mode === 'rel' ? best * (1 + sign * s.threshold) : best + sign * s.threshold;
  return s.mode === 'min' ? metric < mark : metric > mark;
}

const fresh = (rate: number, untilReset = 0): AdaptiveState => ({
  rate,
  initialRate: rate,
  best: null,
  bad: 0,
  good: 0,
  cooldown: 0,
  warmup: 0,
  untilReset,
  recent: [],
  recentSum: 0,
});

const plateauSettings = z.strictObject({
  ...shared,
  factor: factorBelowOne.default(0.1),
  threshold: z.number().default(1e-4),
  threshold_mode: thresholdMode.default('rel'),
  min_lr: z.number().nonnegative().default(0),
});

function plateau(s: z.output<typeof plateauSettings>): Adaptive {
  return {
    start: (rate) => fresh(rate),
    observe(state, metric) {
      const better = isBetter(s, metric, state.best);
      const best = better ? metric : state.best;
      const cooling = state.cooldown > 0;
      const bad = cooling || better ? 0 : state.bad + 1;
      if (bad <= s.patience) {
        return { ...state, best, bad, cooldown: cooling ? state.cooldown - 1 : 0 };
      }
      const lower = Math.max(state.rate * s.factor, s.min_lr);
      const rate = state.rate - lower > s.eps ? lower : state.rate;
      return { ...state, rate, best, bad: 0, cooldown: s.cooldown };
    },
  };
}

const greedySettings = z.strictObject({
  ...shared,
  factor: factorBelowOne.default(0.95),
  threshold: z.number().default(1e-6),
  threshold_mode: thresholdMode.default('abs'),
  warmup: z.int().nonnegative().default(0),
  min_lr: z.number().nonnegative().default(1e-3),
  max_lr: z.number().positive().default(1),
  smooth: z.boolean().default(false),
  window_size: z.int().positive().default(50),
  reset_start: z.int().default(500),
  /** Hugging Face prints at each change; our log shows the rate of every step. */
  verbose: z.boolean().default(false),
});

function greedy(s: z.output<typeof greedySettings>): Adaptive {
  const raise = (state: AdaptiveState): AdaptiveState => {
    const higher = Math.min(state.rate / s.factor, s.max_lr);
    const rate = higher - state.rate > s.eps ? higher : state.rate;
    return { ...state, rate, good: 0, warmup: s.warmup, untilReset: s.reset_start };
  };
  const reduce = (state: AdaptiveState): AdaptiveState => {
    const lower = Math.max(state.rate * s.factor, s.min_lr);
    const rate = state.rate - lower > s.eps ? lower : state.rate;
    const untilReset = rate > s.min_lr ? state.untilReset : state.untilReset - 1;
    const start = fresh(state.initialRate, s.reset_start);
    const next =
      rate <= s.min_lr && untilReset <= 0 ? start : { ...state, rate, bad: 0, untilReset };
    return { ...next, cooldown: s.cooldown };
  };
  return {
    start: (rate) => fresh(rate, s.reset_start),
    observe(before, value) {
      let [state, metric] = [before, value];
      if (s.smooth) {
        const recent = [...state.recent, value];
        let recentSum = state.recentSum + value;
        if (recent.length > s.window_size) recentSum -= recent.shift() as number;
        state = { ...state, recent, recentSum };
        metric = recentSum / recent.length;
      }
      if (state.cooldown > 0) return { ...state, cooldown: state.cooldown - 1, bad: 0, good: 0 };
      if (state.warmup > 0) return { ...state, warmup: state.warmup - 1, bad: 0, good: 0 };
      if (isBetter(s, metric, state.best)) {
        const next = { ...state, best: metric, bad: 0, good: state.good + 1 };
        return next.good > s.patience ? raise(next) : next;
      }
      const next = { ...state, bad: state.bad + 1, good: 0 };
      return next.bad > s.patience ? reduce(next) : next;
    },
  };
}

export const adaptive = {
  reduce_lr_on_plateau: {
    settings: plateauSettings,
    make: (s: unknown): Adaptive => plateau(plateauSettings.parse(s)),
  },
  greedy: {
    settings: greedySettings,
    make: (s: unknown): Adaptive => greedy(greedySettings.parse(s)),
  },
};
