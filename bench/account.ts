/** @file A training as the command line does it, for what it says of itself: its memory by class, and its steps. */
import type { RunEvent } from '../src/core/events.ts';
import type { Estimate } from '../src/estimate/estimate.ts';
import { type RunOptions, runTunery } from './program.ts';

export type Settings = Readonly<Record<string, string | number | boolean>>;

export type Trained = {
  /** Bytes at the peak (`VmHWM` of the engine), and by class. */
  readonly memory: number;
  readonly kinds: Readonly<Record<string, number>>;
  /** The mean of all steps but the first two: one touches fresh memory, the other holds a prediction. */
  readonly secondsPerStep: number;
  readonly tokensPerSecond: number;
};

export const asArguments = (settings: Settings): string[] =>
  Object.entries(settings).map(([key, value]) => `${key}=${value}`);

/** Trains in `cwd`; the run is left in its folder `out`. */
export async function trained(settings: Settings, options: RunOptions): Promise<Trained> {
  const out = ['output_dir=out', 'overwrite_output_dir=true', 'save_strategy=no', '--json'];
  const { lines } = await runTunery(['train', ...asArguments(settings), ...out], options);
  const events = lines.map(({ text }) => JSON.parse(text) as RunEvent);
  const account = events.find((event) => event.type === 'account');
  // The second step's time holds the run's own prediction.
  const all = events.filter((event) => event.type === 'step-end');
  const steps = all.slice(Math.min(2, all.length - 1));
  if (!account || steps.length === 0) throw new Error('a training of no step');
  if (steps.some(({ grad_norm }) => !(grad_norm > 0))) throw new Error('nothing was learned');
  const sum = (of: (step: (typeof steps)[number]) => number): number =>
    steps.reduce((total, step) => total + of(step), 0);
  return {
    memory: account.memory,
    kinds: account.memory_kinds,
    secondsPerStep: sum(({ seconds }) => seconds) / steps.length,
    tokensPerSecond: sum(({ tokens }) => tokens.read) / sum(({ seconds }) => seconds),
  };
}

/** What `tunery estimate` says of the same settings. */
export async function estimated(settings: Settings, options: RunOptions): Promise<Estimate> {
  const { lines } = await runTunery(['estimate', ...asArguments(settings), '--json'], options);
  return JSON.parse(lines.at(-1)?.text ?? 'null') as Estimate;
}
