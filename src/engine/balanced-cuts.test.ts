import { expect, test } from 'vitest';
import { balancedCuts } from './balanced-cuts.ts';

const cut = (sizes: readonly number[], limit: number) => balancedCuts(sizes, limit, (size) => size);

test('no short remainder: as few cuts as the limit allows, as even as they can be', () => {
  expect(cut([512, 512, 30], 1024)).toEqual([[512], [512, 30]]);
  expect(cut([100, 100, 100, 100], 300)).toEqual([
    [100, 100],
    [100, 100],
  ]);
  expect(cut([], 10)).toEqual([]);
});

test('what is larger than the limit stands alone', () => {
  expect(cut([5, 50, 5], 10)).toEqual([[5], [50], [5]]);
});

test('drawn sizes: in order, within the limit, never more cuts than filling greedily', () => {
  let seed = 7;
  const draw = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % below;
  };
  for (let round = 0; round < 200; round++) {
    const sizes = Array.from({ length: draw(40) }, () => 1 + draw(300));
    const limit = 300 + draw(500);
    const cuts = cut(sizes, limit);
    expect(cuts.flat()).toEqual(sizes);
    const sums = cuts.map((each) => each.reduce((a, b) => a + b, 0));
    let greedy = 0;
    let sum = Number.POSITIVE_INFINITY;
    for (const size of sizes) {
      if (sum + size > limit) {
        greedy++;
        sum = 0;
      }
      sum += size;
    }
    expect(Math.max(0, ...sums)).toBeLessThanOrEqual(limit);
    expect(cuts.length).toBe(greedy);
  }
});
