import { expect, test } from 'vitest';
import { randomNormal, randomUniform } from './random.ts';
import { expectClose, expectSameOnAnyThreads } from './testing.ts';

const length = 40_003;

test('uniform numbers equal the twin, stay in the range, and fill it', () => {
  const [y, exact] = [new Float32Array(length), new Float64Array(length)];
  randomUniform.run(7, 8, -0.5, 0.25, y);
  randomUniform.reference(7, 8, -0.5, 0.25, exact);
  expectClose(y, exact, { absolute: 2e-8 });
  expect(Math.min(...y)).toBeGreaterThanOrEqual(-0.5);
  expect(Math.max(...y)).toBeLessThan(0.25);
  const mean = exact.reduce((a, b) => a + b, 0) / length;
  expect(Math.abs(mean + 0.125)).toBeLessThan((3 * 0.75) / Math.sqrt(12 * length));
});

test('normal numbers equal the twin and have the moments', () => {
  const [y, exact] = [new Float32Array(length), new Float64Array(length)];
  randomNormal.run(7, 9, 1, 2, y);
  randomNormal.reference(7, 9, 1, 2, exact);
  expectClose(y, exact, { absolute: 1e-6 });
  const standard = exact.map((v) => (v - 1) / 2);
  const moment = (k: number) => standard.reduce((sum, v) => sum + v ** k, 0) / length;
  // Three standard deviations of each sample moment: variances 1, 2, 15 and 96 over the count.
  for (const [k, expected, variance] of [
    [1, 0, 1],
    [2, 1, 2],
    [3, 0, 15],
    [4, 3, 96],
  ]) {
    expect(Math.abs(moment(k) - expected)).toBeLessThan(3 * Math.sqrt(variance / length));
  }
  // Neighbors, which come from one pair of words, are not correlated.
  const product = standard.reduce((sum, v, i) => sum + v * (standard[i + 1] ?? 0), 0) / length;
  expect(Math.abs(product)).toBeLessThan(3 / Math.sqrt(length));
});

test('a shorter buffer is the beginning of a longer one; bf16 is the same, rounded', () => {
  const [long, short] = [new Float32Array(1000), new Float32Array(77)];
  randomUniform.run(1, 2, 0, 1, long);
  randomUniform.run(1, 2, 0, 1, short);
  expect(short).toEqual(long.subarray(0, 77));
  const half = new Uint16Array(77);
  randomUniform.run(1, 2, 0, 1, half);
  expectClose(half, short);
  randomUniform.run(1, 3, 0, 1, short);
  expect(short).not.toEqual(long.subarray(0, 77));
});

test('any number of threads gives the same bits', () => {
  expectSameOnAnyThreads(() => {
    const [a, b] = [new Float32Array(length), new Float32Array(length)];
    randomUniform.run(1, 2, -1, 1, a);
    randomNormal.run(1, 2, 0, 0.02, b);
    return [a, b];
  });
});
