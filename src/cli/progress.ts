/** @file What a run looks like in a terminal: one line that follows it, plain lines elsewhere. */
import type { RunEvent } from '../core/events.ts';
import { formatBytes, formatCount, formatDuration } from '../core/units.ts';

type Of<Type extends RunEvent['type']> = Extract<RunEvent, { type: Type }>;

/** Steps over which speed is averaged: enough to be calm, few enough to follow a change. */
const window = 20;

export type RunProgress = {
  take(event: RunEvent): void;
  /** `step 12/72 · epoch 0.50 · loss 2.1034 · …` */
  line(): string;
  /** Seconds that a step takes; undefined before the first. */
  secondsPerStep(): number | undefined;
  /** Seconds until the step that is under way ends, as far as can be told. */
  untilStepEnds(): number | undefined;
  readonly last: () => Of<'step-end'> | undefined;
};

const phases = {
  loading: 'loading the model',
  evaluating: 'evaluating',
  saving: 'saving',
} as const;

export function runProgress(now: () => number = () => performance.now()): RunProgress {
  let total = 0;
  let started = now();
  let stepBegan = now();
  let phase: Of<'heartbeat'>['phase'] = 'loading';
  let evaluation: number | undefined;
  const recent: { event: Of<'step-end'>; seconds: number }[] = [];
  let last: Of<'step-end'> | undefined;

  const secondsPerStep = (): number | undefined =>
    recent.length === 0
      ? undefined
      : recent.reduce((sum, { seconds }) => sum + seconds, 0) / recent.length;

  return {
    take(event) {
      if (event.type === 'run-start') {
        total = event.total_steps;
        started = now();
        stepBegan = started;
      } else if (event.type === 'heartbeat') phase = event.phase;
      else if (event.type === 'eval-end') evaluation = event.metrics['eval_loss'];
      else if (event.type === 'step-end') {
        phase = 'training';
        last = event;
        // Saving and evaluating between two steps count: they are a part of the time that is left.
        const between = recent.length === 0 ? event.seconds : (now() - stepBegan) / 1000;
        recent.push({ event, seconds: Math.max(event.seconds, between) });
        if (recent.length > window) recent.shift();
        stepBegan = now();
      }
    },

    line() {
      const parts: string[] = [];
      if (last) {
        parts.push(`step ${last.step}/${total}`, `epoch ${last.epoch.toFixed(2)}`);
        parts.push(`loss ${last.loss.toFixed(4)}`);
        if (evaluation !== undefined) parts.push(`eval ${evaluation.toFixed(4)}`);
        parts.push(speed(recent.map(({ event }) => event)));
        parts.push(formatBytes(last.memory));
        const each = secondsPerStep();
        if (each !== undefined && last.step < total) {
          parts.push(`${formatDuration(each * (total - last.step))} left`);
        }
      }
      if (
        phase !== 'training' &&
        (last === undefined || last.step < total || phase !== 'loading')
      ) {
        parts.push(phases[phase]);
      } else if (!last)
        parts.push(`first of ${total} steps, ${formatDuration((now() - started) / 1000)}`);
      return parts.join(' · ');
    },

    secondsPerStep,

    untilStepEnds() {
      const each = secondsPerStep();
      return each === undefined ? undefined : Math.max(0, each - (now() - stepBegan) / 1000);
    },

    last: () => last,
  };
}

/** Tokens that were read in a second, and how many of those were learned. */
function speed(events: readonly Of<'step-end'>[]): string {
  const seconds = events.reduce((sum, event) => sum + event.seconds, 0);
  const rate = (count: (event: Of<'step-end'>) => number): string =>
    seconds === 0
      ? '–'
      : formatCount(Math.round(events.reduce((sum, event) => sum + count(event), 0) / seconds));
  return `${rate((event) => event.tokens.read)} tok/s (${rate((event) => event.tokens.supervised)} learned)`;
}
