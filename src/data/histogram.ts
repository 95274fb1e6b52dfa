/** @file Lengths in bins of even width, or doubling ones where few long rows would leave the even ones empty. */

/** Both ends are in it: round numbers end a bin, as `cutoff_len` ends a row. */
export type Bin = {
  readonly from: number;
  readonly to: number;
  readonly count: number;
};

const mostBins = 16;
/** So many times the median, and the longest rows would squeeze all others into one or two even bins. */
const longTail = 12;

/** Of lengths in ascending order. */
export function histogram(sorted: Int32Array): Bin[] {
  if (sorted.length === 0) return [];
  const [min, max] = [sorted[0], sorted[sorted.length - 1]];
  const median = sorted[sorted.length >> 1];
  const edges = max > longTail * Math.max(median, 1) ? doubling(min, max) : even(min, max);
  return edges.slice(1).map((to, i) => {
    const from = edges[i] + 1;
    return { from, to, count: below(sorted, to + 1) - below(sorted, from) };
  });
}

/** Ends of bins, with one before the first. Documents have a token or more. */
function even(min: number, max: number): number[] {
  let width = 1;
  const from = (): number => Math.floor((min - 1) / width);
  const count = (): number => Math.ceil(max / width) - from();
  while (count() > mostBins) width *= 2;
  return Array.from({ length: count() + 1 }, (_, i) => (from() + i) * width);
}

function doubling(min: number, max: number): number[] {
  const edges = min <= 1 ? [0, 1] : [2 ** Math.floor(Math.log2(min - 1))];
  for (let edge = edges.at(-1) ?? 1; edge < max; ) {
    edge *= 2;
    edges.push(edge);
  }
  return edges;
}

/** How many of the ascending values are less. */
export function below(sorted: Int32Array, limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
