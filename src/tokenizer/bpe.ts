/** @file Byte pair encoding: the neighbors of lowest rank merge first, the leftmost of equals (Sennrich et al. 2016, arXiv:1508.07909). */

/** Rank of a pair that does not merge. */
export const NONE = 0x7fffffff;

/** Words up to this many symbols are searched from end to end for each merge; longer ones use a heap. */
const SHORT = 48;

export type Bpe = {
  /**
   * Merges `symbols[0 … count)` in place and gives the new count. `starts` moves along, so that it says at which of
   * the given symbols each result begins.
   */
  readonly merge: (symbols: Int32Array, starts: Int32Array, count: number) => number;
};

/**
 * `pairs` holds left and right id of each merge, `results` the id that it makes, `given` its rank. Without ranks each
 * merge ranks by its place; with them several may be equal, and the leftmost goes first.
 */
export function createBpe(pairs: Int32Array, results: Int32Array, given?: Int32Array): Bpe {
  const ranks = pairTable(pairs, given);
  const places = given === undefined ? undefined : pairTable(pairs);
  /** What a pair of this rank becomes. */
  const resultOf = (rank: number, left: number, right: number): number =>
    results[places === undefined ? rank : places.find(left, right)];

  return {
    merge(symbols, starts, count) {
      if (count < 2) return count;
      return count <= SHORT
        ? mergeShort(symbols, starts, count)
        : mergeLong(symbols, starts, count);
    },
  };

  function mergeShort(symbols: Int32Array, starts: Int32Array, given: number): number {
    let count = given;
    const { rankAt } = scratch(SHORT);
    for (let i = 0; i + 1 < count; i++) rankAt[i] = ranks.find(symbols[i], symbols[i + 1]);
    while (count > 1) {
      let best = NONE;
      let at = 0;
      for (let i = 0; i + 1 < count; i++) {
        if (rankAt[i] < best) {
          best = rankAt[i];
          at = i;
        }
      }
      if (best === NONE) break;
      symbols[at] = resultOf(best, symbols[at], symbols[at + 1]);
      count--;
      for (let i = at + 1; i < count; i++) {
        symbols[i] = symbols[i + 1];
        starts[i] = starts[i + 1];
        rankAt[i] = rankAt[i + 1];
      }
      if (at > 0) rankAt[at - 1] = ranks.find(symbols[at - 1], symbols[at]);
      if (at + 1 < count) rankAt[at] = ranks.find(symbols[at], symbols[at + 1]);
    }
    return count;
  }

  function mergeLong(symbols: Int32Array, starts: Int32Array, count: number): number {
    const { rankAt, previous, next } = scratch(count);
    const heap = new Heap(count);
    const rank = (at: number): void => {
      const found = next[at] < count ? ranks.find(symbols[at], symbols[next[at]]) : NONE;
      rankAt[at] = found;
      if (found !== NONE) heap.push(found, at);
    };
    for (let i = 0; i < count; i++) {
      previous[i] = i - 1;
      next[i] = i + 1;
    }
    for (let i = 0; i < count; i++) rank(i);
    while (heap.pop()) {
      const at = heap.position;
      // A symbol only grows, so an entry of another rank is an old one.
      if (rankAt[at] !== heap.rank) continue;
      const gone = next[at];
      symbols[at] = resultOf(heap.rank, symbols[at], symbols[gone]);
      rankAt[gone] = NONE;
      next[at] = next[gone];
      if (next[at] < count) previous[next[at]] = at;
      rank(at);
      if (previous[at] >= 0) rank(previous[at]);
    }
    let written = 0;
    for (let at = 0; at < count; at = next[at]) {
      symbols[written] = symbols[at];
      starts[written++] = starts[at];
    }
    return written;
  }
}

type Scratch = {
  readonly rankAt: Int32Array;
  readonly previous: Int32Array;
  readonly next: Int32Array;
};

let shared: Scratch | undefined;

/** Room for `count` symbols, kept between calls while it is small. */
function scratch(count: number): Scratch {
  if (shared && shared.rankAt.length >= count) return shared;
  const room = (): Int32Array => new Int32Array(count);
  const made = { rankAt: room(), previous: room(), next: room() };
  if (count <= 1 << 16) shared = made;
  return made;
}

export type PairTable = {
  /** The number that is kept for the pair, or `NONE`. */
  readonly find: (left: number, right: number) => number;
};

/** A number for each pair (its place where none are given), in one open-addressed table: left, right, number. */
export function pairTable(pairs: Int32Array, numbers?: Int32Array): PairTable {
  const count = pairs.length / 2;
  const bits = Math.max(4, 32 - Math.clz32(count * 2));
  const shift = 32 - bits;
  const mask = (1 << bits) - 1;
  const table = new Int32Array(4 << bits).fill(-1);
  const slot = (left: number, right: number): number =>
    (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> shift;

  for (let rank = 0; rank < count; rank++) {
    const [left, right] = [pairs[2 * rank], pairs[2 * rank + 1]];
    let at = slot(left, right);
    while (table[4 * at] >= 0 && (table[4 * at] !== left || table[4 * at + 1] !== right)) {
      at = (at + 1) & mask;
    }
    // Of a merge that is listed twice the last counts, as in the library.
    table[4 * at] = left;
    table[4 * at + 1] = right;
    table[4 * at + 2] = numbers === undefined ? rank : numbers[rank];
  }

  return {
    find(left, right) {
      let at = slot(left, right);
      for (;;) {
        const key = table[4 * at];
        if (key === left && table[4 * at + 1] === right) return table[4 * at + 2];
        if (key < 0) return NONE;
        at = (at + 1) & mask;
      }
    },
  };
}

/** A binary heap of (rank, position), smallest first; both packed into one exact double. */
class Heap {
  rank = 0;
  position = 0;
  #size = 0;
  #keys: Float64Array;

  constructor(room: number) {
    this.#keys = new Float64Array(room * 2);
  }

  push(rank: number, position: number): void {
    if (this.#size === this.#keys.length) {
      const keys = new Float64Array(this.#size * 2);
      keys.set(this.#keys);
      this.#keys = keys;
    }
    const keys = this.#keys;
    const key = rank * 2 ** 32 + position;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent] <= key) break;
      keys[at] = keys[parent];
      at = parent;
    }
    keys[at] = key;
  }

  /** Takes the smallest into `rank` and `position`; false when none is left. */
  pop(): boolean {
    if (this.#size === 0) return false;
    const keys = this.#keys;
    const top = keys[0];
    const key = keys[--this.#size];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && keys[child + 1] < keys[child]) child++;
      if (keys[child] >= key) break;
      keys[at] = keys[child];
      at = child;
    }
    keys[at] = key;
    this.rank = Math.floor(top / 2 ** 32);
    this.position = top - this.rank * 2 ** 32;
    return true;
  }
}
