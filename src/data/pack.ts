/** @file Packs: which rows share one sequence of at most `capacity` tokens (LLaMA-Factory's greedy knapsack). */

/** The place after the last length that is not above `limit`, in ascending `lengths`. */
function bisect(lengths: readonly number[], limit: number): number {
  let low = 0;
  let high = lengths.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (limit < lengths[middle]) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Lengths of each pack: the largest that still fits, again and again. None may be above `capacity`. */
export function knapsack(lengths: readonly number[], capacity: number): number[][] {
  const left = [...lengths].sort((a, b) => a - b);
  const packs: number[][] = [];
  while (left.length > 0) {
    const pack: number[] = [];
    for (let room = capacity; ; ) {
      const index = bisect(left, room) - 1;
      if (index < 0) break;
      room -= left[index];
      pack.push(...left.splice(index, 1));
    }
    if (pack.length === 0) throw new RangeError(`a length is above ${capacity}`);
    packs.push(pack);
  }
  return packs;
}

/** Indices of the rows of each pack. Of rows of one length, the last comes first. */
export function packRows(lengths: readonly number[], capacity: number): number[][] {
  const rowsOf = new Map<number, number[]>();
  for (const [row, length] of lengths.entries()) {
    const rows = rowsOf.get(length);
    if (rows) rows.push(row);
    else rowsOf.set(length, [row]);
  }
  return knapsack(lengths, capacity).map((pack) =>
    pack.flatMap((length) => rowsOf.get(length)?.pop() ?? []),
  );
}
