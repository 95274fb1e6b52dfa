/** @file Which of a run's steps stand for all of them: the one with the largest micro-batch, and some evenly spread. */
import { cutMicroBatches } from '../engine/micro-batches.ts';
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
/** Steps that are run dry beside the heaviest. */
const spread = 4;
/** Micro-batches of a step that is run dry: the others of a long accumulation are like these. */
const mostCuts = 6;

export const tokensOf = ({ documents }: RowShape): number => documents.reduce((a, b) => a + b, 0);

export function sampleSteps({ steps, rows }: PlannedShapes, limit: number): Sample {
  const looked = evenly(steps, Math.min(steps, mostSteps));
  let heaviest = { step: looked[0] ?? 0, tokens: -1 };
  let [tokens, targets] = [0, 0];
  for (const step of looked) {
    const all = rows(step);
    for (const row of all) targets += row.targets;
    for (const cut of cutMicroBatches(all.map(sized), limit)) {
      const size = cut.reduce((sum, { ids }) => sum + ids.length, 0);
      tokens += size;
      if (size > heaviest.tokens) heaviest = { step, tokens: size };
    }
  }
  const chosen = [heaviest.step, ...evenly(steps, spread).filter((s) => s !== heaviest.step)];
  return {
    steps: chosen.map((step) => shortened(rows(step), limit)),
    mean: { tokens: tokens / looked.length, targets: targets / looked.length },
    totalSteps: steps,
  };
}

const sized = (row: RowShape) => ({ row, ids: { length: tokensOf(row) } });

/** The rows of the largest micro-batches of a step. */
function shortened(rows: readonly RowShape[], limit: number): RowShape[] {
  const cuts = cutMicroBatches(rows.map(sized), limit);
  if (cuts.length <= mostCuts) return [...rows];
  const size = (cut: (typeof cuts)[number]): number =>
    cut.reduce((sum, { ids }) => sum + ids.length, 0);
  return cuts
    .toSorted((a, b) => size(b) - size(a))
    .slice(0, mostCuts)
    .flatMap((cut) => cut.map(({ row }) => row));
}

/** `count` of the numbers from 0 up to `of`, the middle of each stretch. */
const evenly = (of: number, count: number): number[] =>
  Array.from({ length: Math.min(of, count) }, (_, i) =>
    Math.floor(((i + 0.5) * of) / Math.min(of, count)),
  );
