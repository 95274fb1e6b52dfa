/** @file Runs of things in order, each run within a limit: as few as can be, and as even as they then can be. */

/** Cuts `items` where the limit asks for it; an item larger than the limit stands alone. */
export function balancedCuts<Item>(
  items: readonly Item[],
  limit: number,
  sizeOf: (item: Item) => number,
): Item[][] {
  const sizes = items.map(sizeOf);
  const count = countCuts(sizes, limit);
  // The smallest limit that needs no more cuts: no step ends in a short remainder.
  let [low, high] = [Math.ceil(sizes.reduce((a, b) => a + b, 0) / Math.max(1, count)), limit];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (countCuts(sizes, middle) <= count) high = middle;
    else low = middle + 1;
  }
  const cuts: Item[][] = [];
  cutsOf(sizes, high, (index, begins) => {
    if (begins) cuts.push([items[index]]);
    else cuts.at(-1)?.push(items[index]);
  });
  return cuts;
}

function countCuts(sizes: readonly number[], limit: number): number {
  let count = 0;
  cutsOf(sizes, limit, (_, begins) => {
    if (begins) count++;
  });
  return count;
}

/** Says of each item whether a run begins with it, where every run is filled as far as the limit lets it be. */
function cutsOf(
  sizes: readonly number[],
  limit: number,
  each: (index: number, begins: boolean) => void,
): void {
  let sum = 0;
  for (const [index, size] of sizes.entries()) {
    const begins = index === 0 || sum + size > limit;
    sum = begins ? size : sum + size;
    each(index, begins);
  }
}
