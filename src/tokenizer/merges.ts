/** @file Merges of a file as ids, each checked to make a token of the vocabulary. */

export type Merges = {
  /** Left and right id of every merge, by rank. */
  readonly merges: Int32Array;
  readonly mergeResults: Int32Array;
};

/** `pairOf` gives the two sides of merge i, or undefined to pass it by; `bad` makes the error for merge i. */
export function readMerges(
  count: number,
  pairOf: (i: number) => readonly [string, string] | undefined,
  tokens: readonly (string | undefined)[],
  ids: ReadonlyMap<string, number>,
  bad: (i: number, what: string) => Error,
): Merges {
  const merges = new Int32Array(2 * count);
  const mergeResults = new Int32Array(count);
  let used = 0;
  let last = 0;
  for (let i = 0; i < count; i++) {
    const pair = pairOf(i);
    if (pair === undefined) continue;
    const [left, right] = pair;
    const [leftId, rightId] = [ids.get(left), ids.get(right)];
    // Most files list what merges make in the order of the merges: no text need be put together to see that.
    const result = joins(tokens[last + 1], left, right) ? last + 1 : ids.get(left + right);
    if (leftId === undefined || rightId === undefined || result === undefined) {
      const missing = [left, right, left + right].find((token) => !ids.has(token));
      throw bad(i, `${JSON.stringify(missing)} is not in the vocabulary`);
    }
    merges[2 * used] = leftId;
    merges[2 * used + 1] = rightId;
    mergeResults[used++] = result;
    last = result;
  }
  return { merges: merges.slice(0, 2 * used), mergeResults: mergeResults.slice(0, used) };
}

const joins = (token: string | undefined, left: string, right: string): boolean =>
  token !== undefined &&
  token.length === left.length + right.length &&
  token.startsWith(left) &&
  token.endsWith(right);
