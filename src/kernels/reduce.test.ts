import { describe, expect, test } from 'vitest';
import { largestDifference, sum, sumOfSquares } from './reduce.ts';
import { expectSameOnAnyThreads, rounded, storages } from './testing.ts';

describe.each(storages)('%s', (storage) => {
  test.each([0, 1, 31, 100_001])('%d numbers sum to the twin’s sum', (length) => {
    const x = rounded(length, 1, storage);
    expect(sum.run(x.data)).toBeCloseTo(sum.reference(x.exact), 7);
    expect(sumOfSquares.run(x.data)).toBeCloseTo(sumOfSquares.reference(x.exact), 7);
  });
});

test('f64 sums: a large number does not swallow the small ones', () => {
  const x = new Float32Array(100_000).fill(2 ** -12);
  x[50_000] = 2 ** 26;
  expect(sum.run(x)).toBe(2 ** 26 + 99_999 * 2 ** -12);
});

test('one bad number shows', () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const x = new Float32Array(50_000);
    x[33_333] = bad;
    expect(sum.run(x)).toBe(bad);
    expect(sumOfSquares.run(x)).toBe(bad);
  }
  expect(sumOfSquares.run(Float32Array.of(-3e38))).toBeCloseTo(9e76, -70);
});

test.each(storages)('the largest difference of %s and f32 is the twin’s', (storage) => {
  const [a, b] = [rounded(100_001, 1, storage), rounded(100_001, 2, 'f32')];
  expect(largestDifference.run(a.data, b.data)).toBeCloseTo(
    largestDifference.reference(a.exact, b.exact),
    5,
  );
  expect(largestDifference.run(a.data, a.data)).toBe(0);
  const [one, other] = [new Float32Array(40_000), new Float32Array(40_000)];
  other[33_333] = -7;
  expect(largestDifference.run(one, other)).toBe(7);
  other[5] = Number.NaN;
  expect(largestDifference.run(one, other)).toBeNaN();
  expect(largestDifference.reference(one, other)).toBeNaN();
  other[5] = Number.POSITIVE_INFINITY;
  expect(largestDifference.run(one, other)).toBe(Number.POSITIVE_INFINITY);
  expect(() => largestDifference.run(one, new Float32Array(1))).toThrow('elements');
});

test('any number of threads gives the same bits', () => {
  const x = rounded(300_000, 1, 'f32').data;
  expectSameOnAnyThreads(() => [sum.run(x), sumOfSquares.run(x)]);
});
