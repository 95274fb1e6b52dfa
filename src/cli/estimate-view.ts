/** @file An estimate as lines for people. */
import type { RunEvent } from '../core/events.ts';
import { formatBytes, formatCount, formatDuration } from '../core/units.ts';
import type { Estimate, MemoryKind } from '../estimate/estimate.ts';

/** What each kind of memory is, in the order they are shown. */
const kinds: Readonly<Record<MemoryKind, string>> = {
  weights: 'frozen weights',
  packed: 'weights packed for products',
  trainable: 'weights that learn',
  gradients: 'gradients',
  optimizer: 'state of the optimizer',
  activations: 'what the backward pass needs',
  workspace: 'logits and other passing things',
  cache: 'keys and values',
  process: 'Node, the program, JavaScript',
};

/** Tokens in a second, as far as a prediction of them is worth. */
export const formatRate = (rate: number): string =>
  `${rate < 100 ? rate.toPrecision(2) : formatCount(Math.round(rate))} tokens/s`;

/** Weights or tokens, as `6.74 B`. */
export const formatElements = (value: number): string =>
  value < 1e6
    ? formatCount(Math.round(value))
    : value < 1e9
      ? `${(value / 1e6).toPrecision(3)} M`
      : `${(value / 1e9).toPrecision(3)} B`;

/** Each kind's line; one that would be empty is left out. */
export const memoryLines = ({ memory }: Pick<Estimate, 'memory'>): string[] =>
  Object.entries(kinds).flatMap(([kind, what]) => {
    const bytes = memory.kinds[kind as MemoryKind];
    if (bytes < 1e5) return [];
    const share = `${Math.round((100 * bytes) / memory.total)} %`;
    return [
      `  ${kind.padEnd(12)} ${formatBytes(bytes).padStart(8)}  ${share.padStart(5)}  ${what}`,
    ];
  });

export function estimateLines(estimate: Estimate): string[] {
  const { memory, parameters, step, steps, seconds, machine } = estimate;
  const rate = step.tokens / step.seconds;
  const share = step.flops / step.seconds / 1e9 / machine.peak;
  return [
    `weights  ${formatElements(parameters.all)}, of which ${formatElements(parameters.trainable)} learn`,
    `memory   ${formatBytes(memory.total)} at the peak`,
    ...memoryLines(estimate),
    `step     ${formatDuration(step.seconds)} for ${formatElements(step.tokens)} tokens, ${formatElements(step.targets)} learned: ${formatRate(rate)}`,
    `all      ${formatDuration(seconds)} for ${formatElements(steps)} steps`,
    `machine  ${Math.round(machine.peak)} GFLOP/s, ${Math.round(machine.bandwidth)} GB/s, ${machine.instructions}, ${machine.threads} threads; the step does ${Math.round(100 * share)} % of that peak`,
  ];
}

type Told = Pick<Extract<RunEvent, { type: 'estimate' }>, 'memory' | 'step_seconds' | 'seconds'>;

/** Predicted and measured, side by side. */
export function comparisonLines(predicted: Told, measured: Told): string[] {
  const line = (name: string, of: (told: Told) => number, format: (value: number) => string) => {
    const [said, was] = [of(predicted), of(measured)];
    const off = was === 0 ? 0 : Math.round(100 * (said / was - 1));
    return `  ${name.padEnd(8)} ${format(said).padStart(10)} ${format(was).padStart(10)}  ${off < 0 ? '−' : '+'}${Math.abs(off)} %`;
  };
  return [
    `           predicted   measured`,
    line('memory', ({ memory }) => memory, formatBytes),
    line('a step', ({ step_seconds }) => step_seconds, formatDuration),
    line('steps', ({ seconds }) => seconds, formatDuration),
  ];
}
