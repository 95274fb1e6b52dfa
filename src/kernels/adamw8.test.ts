import { expect, test } from 'vitest';
import { adamw8, dynamicMap } from './adamw8.ts';
import { expectClose, expectSameOnAnyThreads, numbers, rounded } from './testing.ts';
import { codesApart, hyper, newState, runAdamw8 } from './testing-adamw8.ts';

test.each([1, 255, 4396, 20_000])('native equals the twin: %d numbers', (length) => {
  const got = runAdamw8(length, 3, adamw8.run);
  const want = runAdamw8(length, 3, adamw8.reference as typeof adamw8.run);
  // The twin sums in f64: a moment that is halfway between two codes may fall to the other side.
  expect(codesApart(got.m, want.m)).toBeLessThanOrEqual(length / 500);
  expect(codesApart(got.v, want.v)).toBeLessThanOrEqual(length / 500);
  expectClose(got.mScales, want.mScales, { relative: 1e-5, name: 'mScales' });
  expectClose(got.vScales, want.vScales, { relative: 1e-5, name: 'vScales' });
  const apart = got.param.filter((value, i) => Math.abs(value - want.param[i]) > 1e-6).length;
  expect(apart).toBeLessThanOrEqual(length / 500);
});

test('every moment goes to its nearest code', () => {
  const length = 256 * 400;
  const sizes = numbers(length, 2, -9, 0);
  // A first step keeps a tenth of the gradient, and the first of each block is the largest.
  const grad = Float32Array.from(numbers(length, 3), (value, i) =>
    i % 256 === 0 ? 1 : value * 10 ** sizes[i],
  );
  const { m, v, mScales, vScales } = newState(length);
  const param = new Float32Array(length);
  adamw8.run(param, grad, m, v, mScales, vScales, 0, ...hyper, 1, 1);
  for (const [codes, scales, map, moment] of [
    [m, mScales, dynamicMap(true), (g: number) => g * 0.1],
    [v, vScales, dynamicMap(false), (g: number) => g * g * 0.001],
  ] as const) {
    for (let i = 0; i < length; i++) {
      const value = moment(grad[i]) / scales[Math.floor(i / 256)];
      const far = (code: number) => Math.abs(value - (map[code] ?? Number.POSITIVE_INFINITY));
      const least = Math.min(far(codes[i] - 1), far(codes[i] + 1));
      expect(far(codes[i]), `${value}`).toBeLessThanOrEqual(least + 2e-7);
    }
  }
});

test('any number of threads gives the same bits', () => {
  expectSameOnAnyThreads(() => {
    const { param, m, v, mScales, vScales } = runAdamw8(70_001, 2, adamw8.run);
    return [param, m, v, mScales, vScales];
  });
});

test('a gradient of zero leaves a weight without decay as it is', () => {
  const param = rounded(600, 1, 'f32').data;
  const before = param.slice();
  const { m, v, mScales, vScales } = newState(600);
  const grad = new Float32Array(600);
  adamw8.run(param, grad, m, v, mScales, vScales, 0.1, 0.9, 0.999, 1e-8, 0, 1, 1);
  expect(param).toEqual(before);
});
