import { expect, test } from 'vitest';
import { permutation, sampleRows, shares } from './permutation.ts';

const sorted = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b);
const all = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

test('every row once, another order for each seed, purpose and number', () => {
  const order = permutation(500, 42, 'order', 0);
  expect(sorted(order)).toEqual(all(500));
  expect(permutation(500, 42, 'order', 0)).toEqual(order);
  const others = [
    permutation(500, 43, 'order', 0),
    permutation(500, 42, 'order', 1),
    permutation(500, 42, 'samples', 0),
    permutation(500, 42 + 2 ** 32, 'order', 0),
  ];
  for (const other of others) expect(other).not.toEqual(order);
});

test('the order of a seed never changes: old runs must resume', () => {
  expect([...permutation(8, 42, 'order', 3)]).toMatchInlineSnapshot(`
    [
      7,
      3,
      1,
      0,
      6,
      5,
      4,
      2,
    ]
  `);
});

test('shares are even, also between neighbors', () => {
  const share = shares(7, 'order', 0);
  const counts = new Array<number>(16).fill(0);
  let product = 0;
  for (let i = 0; i < 16_000; i++) {
    counts[Math.floor(share(i) * 16)]!++;
    product += (share(i) - 0.5) * (share(i + 1) - 0.5);
  }
  // 1000 ± 5 σ each; the correlation's σ is 1 / √16000.
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(155);
  expect(Math.abs(product / 16_000) * 12).toBeLessThan(0.04);
});

test('every place of a permutation is equally likely', () => {
  const counts = new Array<number>(25).fill(0);
  for (let seed = 0; seed < 5000; seed++) {
    for (const [i, row] of permutation(5, seed, 'order').entries()) counts[5 * i + row]!++;
  }
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test('samples: exactly so many, none twice unless there are too few', () => {
  expect(new Set(sampleRows(1000, 100, 42)).size).toBe(100);
  const more = sampleRows(3, 7, 42);
  expect(more.length).toBe(7);
  expect(sorted(new Set(more))).toEqual([0, 1, 2]);
});
