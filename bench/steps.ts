/** @file The steps of a training that was measured, whoever did it, and what they amount to. */
import { z } from 'zod';
import type { Length } from './job.ts';
import type { Ran } from './program.ts';
import { median } from './report.ts';

export type Step = {
  readonly loss: number;
  readonly gradNorm: number;
  /** Milliseconds since 1970 at its end, by the clock of who did it. */
  readonly ended: number;
  readonly read: number;
  readonly supervised: number;
};

export type Measured = {
  readonly steps: readonly Step[];
  /** Real tokens, never padding, and supervised ones of the measured steps by the time from end to end. */
  readonly tokensPerSecond: number;
  readonly supervisedPerSecond: number;
  readonly secondsPerStep: number;
  /** From the command to the end of step 1. */
  readonly firstStepAfter: number;
  /** The same, less the median of the other steps of warm-up; undefined where there are none. */
  readonly begins: number | undefined;
  /** `VmHWM` in bytes of the process that computes, and of the one that only follows it, where there is one. */
  readonly peak: number;
  readonly parent: number | undefined;
};

export function measured(ran: Ran, steps: readonly Step[], length: Length): Measured {
  const { warmup } = length;
  if (steps.length !== length.steps + warmup) {
    throw new Error(`${length.steps + warmup} steps were wanted, and ${steps.length} came`);
  }
  const counted = steps.slice(warmup);
  const [first] = steps;
  const seconds = ((steps.at(-1)?.ended ?? 0) - steps[warmup - 1].ended) / 1000;
  const sum = (value: (step: Step) => number): number =>
    counted.reduce((total, step) => total + value(step), 0);
  const again = steps.slice(1, warmup).map(({ ended }, i) => (ended - steps[i].ended) / 1000);
  const firstStepAfter = (first.ended - ran.began) / 1000;
  return {
    steps,
    tokensPerSecond: sum(({ read }) => read) / seconds,
    supervisedPerSecond: sum(({ supervised }) => supervised) / seconds,
    secondsPerStep: seconds / counted.length,
    firstStepAfter,
    begins: again.length > 0 ? firstStepAfter - median(again) : undefined,
    peak: Math.max(ran.own, ran.children),
    parent: ran.children > 0 ? ran.own : undefined,
  };
}

const StepEnd = z.object({
  type: z.literal('step-end'),
  time: z.iso.datetime(),
  loss: z.number(),
  grad_norm: z.number(),
  tokens: z.object({ read: z.int(), supervised: z.int() }),
});

/** Steps of `tunery train --json`. */
export const tuneryStepsOf = ({ lines }: Ran): Step[] =>
  lines.flatMap(({ text }) => {
    if (!text.startsWith('{')) return [];
    const { data } = StepEnd.safeParse(JSON.parse(text));
    if (!data) return [];
    const { loss, grad_norm: gradNorm, time, tokens } = data;
    return [{ loss, gradNorm, ended: Date.parse(time), ...tokens }];
  });

const PeerStep = z.object({
  loss: z.number(),
  grad_norm: z.number(),
  ended: z.number(),
  read: z.int(),
  supervised: z.int(),
});

/** Steps of a peer: its lines `#step {…}`. */
export const peerStepsOf = ({ lines }: Ran): Step[] =>
  lines.flatMap(({ text }) => {
    if (!text.startsWith('#step ')) return [];
    const { grad_norm: gradNorm, ...step } = PeerStep.parse(JSON.parse(text.slice(6)));
    return [{ ...step, gradNorm }];
  });

/** The middle of several rounds, figure by figure; losses are the first round's. */
export function middleOf(rounds: readonly Measured[]): Measured {
  const of = (value: (round: Measured) => number): number => median(rounds.map(value));
  const [first] = rounds;
  return {
    ...first,
    tokensPerSecond: of((round) => round.tokensPerSecond),
    supervisedPerSecond: of((round) => round.supervisedPerSecond),
    secondsPerStep: of((round) => round.secondsPerStep),
    firstStepAfter: of((round) => round.firstStepAfter),
    begins: first.begins === undefined ? undefined : of((round) => round.begins ?? Number.NaN),
    peak: of((round) => round.peak),
    parent: first.parent === undefined ? undefined : of((round) => round.parent ?? Number.NaN),
  };
}

/** How far losses are from those of a reference, step by step. */
export function residuals(losses: readonly Step[], reference: readonly Step[]) {
  const each = losses.map(({ loss }, i) => loss - (reference[i]?.loss ?? Number.NaN));
  return {
    /** Largest of a step. */
    most: Math.max(...each.map(Math.abs)),
    /** Signed mean. */
    mean: each.reduce((a, b) => a + b, 0) / each.length,
  };
}
