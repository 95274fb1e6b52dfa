/** @file How ranks share a step's rows and cut them: the twin of `share` in workers/torch/rows.py. */
import type { RowShape } from './dry-run.ts';
import type { Cut } from './rank-activations.ts';
import { type PlannedShapes, tokensOf } from './sample.ts';

/** Steps that are looked at: a longer run is judged by these, evenly spread. */
const mostSteps = 2000;

/** Of one rank: its largest micro-batch of the run, and most micro-batches of a step. */
export type RankCuts = { readonly cut: Cut; readonly cuts: number };

export function rankCuts({ steps, rows }: PlannedShapes, ranks: number, limit: number): RankCuts {
  const looked = Math.min(steps, mostSteps);
  let largest: Cut = { tokens: 0, targets: 0, documents: 1 };
  let cuts = 1;
  for (let i = 0; i < looked; i++) {
    for (const mine of shared(rows(Math.floor((i * steps) / looked)), ranks)) {
      const own = cutsOf(mine, limit);
      cuts = Math.max(cuts, own.length);
      for (const cut of own) if (cut.tokens > largest.tokens) largest = cut;
    }
  }
  return { cut: largest, cuts };
}

/** Longest first, each to the rank that has the fewest tokens so far. */
function shared(rows: readonly RowShape[], ranks: number): RowShape[][] {
  const mine = Array.from({ length: ranks }, () => ({ tokens: 0, places: [] as number[] }));
  const order = rows.map((_, i) => i);
  for (const i of order.toSorted((a, b) => tokensOf(rows[b]!) - tokensOf(rows[a]!) || a - b)) {
    const rank = mine.reduce((least, each) => (each.tokens < least.tokens ? each : least));
    rank.tokens += tokensOf(rows[i]!);
    rank.places.push(i);
  }
  return mine.map(({ places }) => places.toSorted((a, b) => a - b).map((i) => rows[i]!));
}

function cutsOf(rows: readonly RowShape[], limit: number): Cut[] {
  const cuts: Cut[] = [];
  for (const row of rows) {
    const own = { tokens: tokensOf(row), targets: row.targets, documents: row.documents.length };
    const last = cuts.at(-1);
    if (!last || last.tokens + own.tokens > limit) cuts.push(own);
    else {
      cuts[cuts.length - 1] = {
        tokens: last.tokens + own.tokens,
        targets: last.targets + own.targets,
        documents: last.documents + own.documents,
      };
    }
  }
  return cuts;
}
