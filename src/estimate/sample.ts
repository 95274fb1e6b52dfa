/** @file Which of a run's steps stand for all of them: the one with the largest micro-batch, and some evenly spread. */
import { balancedCuts } from '../engine/balanced-cuts.ts';
import type { RowShape } from './dry-run.ts';

export type PlannedShapes = {
  readonly steps: number;
  /** Rows of a step, which counts from 0. */
  rows(step: number): readonly RowShape[];
};

export type Sample = {
  /** The first has the largest micro-batch of the run. */
  readonly steps: readonly (readonly RowShape[])[];
  /** Of the whole run, as far as `mostSteps` reach. */
  readonly mean: { readonly tokens: number; readonly targets: number };
  readonly totalSteps: number;
};

/** Steps that are looked at: a longer run is judged by these, evenly spread. */
const mostSteps = 20_000;
/** How much of a run is run dry. */
export type Effort = {
  /** Steps beside the heaviest. */
  readonly spread: number;
  /** Micro-batches of a step: the others of a long accumulation are like these. */
  readonly cuts: number;
};
export const thorough: Effort = { spread: 4, cuts: 6 };
/** For many settings in turn: two, since gradients then add up. */
export const quick: Effort = { spread: 0, cuts: 2 };

export const tokensOf = ({ documents }: RowShape): number => documents.reduce((a, b) => a + b, 0);

export function sampleSteps(
  { steps, rows }: PlannedShapes,
  limit: number,
  effort: Effort = thorough,
): Sample {
  const looked = evenly(steps, Math.min(steps, mostSteps));
  let heaviest = { step: looked[0] ?? 0, tokens: -1 };
  let [tokens, targets] = [0, 0];
  for (const step of looked) {
    const all = rows(step);
    for (const row of all) targets += row.targets;
    for (const cut of balancedCuts(all, limit, tokensOf)) {
      const size = sizeOf(cut);
      tokens += size;
      if (size > heaviest.tokens) heaviest = { step, tokens: size };
    }
  }
  const chosen = [
    heaviest.step,
    ...evenly(steps, effort.spread).filter((s) => s !== heaviest.step),
  ];
  return {
    steps: chosen.map((step) => shortened(rows(step), limit, effort.cuts)),
    mean: { tokens: tokens / looked.length, targets: targets / looked.length },
    totalSteps: steps,
  };
}

const sizeOf = (rows: readonly RowShape[]): number =>
  rows.reduce((sum, row) => sum + tokensOf(row), 0);

/** The rows of the largest micro-batches of a step. */
function shortened(
  rows: readonly RowShape[],
  limit: number,
  mostCuts: number,
): readonly RowShape[] {
  const cuts = balancedCuts(rows, limit, tokensOf);
  if (cuts.length <= mostCuts) return rows;
  return cuts
    .toSorted((a, b) => sizeOf(b) - sizeOf(a))
    .slice(0, mostCuts)
    .flat();
}

/** `count` of the numbers from 0 up to `of`, the middle of each stretch. */
const evenly = (of: number, count: number): number[] =>
  Array.from({ length: Math.min(of, count) }, (_, i) =>
    Math.floor(((i + 0.5) * of) / Math.min(of, count)),
  );
