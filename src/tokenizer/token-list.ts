/** @file Tokens as they are found, in buffers that grow and are used again for the next text. */

export type TokenList = {
  ids: Int32Array;
  /** UTF-16 units that each token covers; filled only where they are asked for. */
  starts: Int32Array;
  ends: Int32Array;
  count: number;
};

export const createTokenList = (): TokenList => ({
  ids: new Int32Array(1 << 12),
  starts: new Int32Array(1 << 12),
  ends: new Int32Array(1 << 12),
  count: 0,
});

/** Makes room for so many more; what is there stays. */
export function extend(list: TokenList, more: number): void {
  const needed = list.count + more;
  if (needed <= list.ids.length) return;
  const longer = (from: Int32Array): Int32Array => {
    const to = new Int32Array(Math.max(2 * from.length, needed));
    to.set(from.subarray(0, list.count));
    return to;
  };
  list.ids = longer(list.ids);
  list.starts = longer(list.starts);
  list.ends = longer(list.ends);
}

export function addToken(list: TokenList, id: number, start: number, end: number): void {
  extend(list, 1);
  list.ids[list.count] = id;
  list.starts[list.count] = start;
  list.ends[list.count++] = end;
}

/** Adds `from[first … first + count)`, ids alone. */
export function addIds(list: TokenList, from: Int32Array, first: number, count: number): void {
  extend(list, count);
  const { ids } = list;
  let at = list.count;
  for (let i = first; i < first + count; i++) ids[at++] = from[i];
  list.count = at;
}
