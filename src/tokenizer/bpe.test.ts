import { expect, test } from 'vitest';
import { createBpe } from './bpe.ts';

/** Merges over the symbols 0, 1, 2: what they make is numbered from 3 on. */
const pairs = Int32Array.from([0, 1, 3, 3, 1, 2, 4, 2, 0, 0, 7, 7, 5, 3]);
const results = Int32Array.from([3, 4, 5, 6, 7, 8, 9]);
const bpe = createBpe(pairs, results);

/** The definition, word for word: the first of the lowest rank, until nothing merges. */
function slowly(symbols: readonly number[]): number[] {
  const list = [...symbols];
  const rankOf = (i: number): number => {
    for (let rank = 0; rank < results.length; rank++) {
      if (pairs[2 * rank] === list[i] && pairs[2 * rank + 1] === list[i + 1]) return rank;
    }
    return Number.POSITIVE_INFINITY;
  };
  for (;;) {
    const ranks = list.slice(1).map((_, i) => rankOf(i));
    const best = Math.min(...ranks);
    if (best === Number.POSITIVE_INFINITY) return list;
    list.splice(ranks.indexOf(best), 2, results[best]);
  }
}

test.each([0, 1, 2, 5, 30, 47, 48, 49, 50, 97, 400])('%i symbols', (length) => {
  let state = length + 1;
  for (let n = 0; n < 20; n++) {
    const given = Array.from({ length }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state >>> 16) % 3;
    });
    const symbols = Int32Array.from(given);
    const starts = Int32Array.from(given.keys());
    const count = bpe.merge(symbols, starts, length);
    expect([...symbols.subarray(0, count)]).toEqual(slowly(given));
    // Each symbol begins where the lengths before it end.
    const lengthOf = (id: number): number => (id < 3 ? 1 : sizes[id]);
    let at = 0;
    for (let i = 0; i < count; i++) {
      expect(starts[i]).toBe(at);
      at += lengthOf(symbols[i]);
    }
    expect(at).toBe(length);
  }
});

const sizes = [1, 1, 1];
for (const [rank, id] of results.entries()) {
  sizes[id] = sizes[pairs[2 * rank]] + sizes[pairs[2 * rank + 1]];
}

test.each([10_000, 100_000])(
  'a word of %i symbols is looked at a few times, not each symbol for each',
  (count) => {
    const plain = new Int32Array(count);
    let reads = 0;
    const symbols = new Proxy(plain, {
      get(target, key) {
        reads++;
        return Reflect.get(target, key);
      },
    });
    expect(bpe.merge(symbols, Int32Array.from(plain.keys()), count)).toBe(count / 4);
    expect(reads).toBeLessThan(12 * count);
  },
);
