import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openSafetensors } from '../files/safetensors.ts';
import { adamw8, dynamicMap, momentBlock } from './adamw8.ts';
import { expectClose, expectSameOnAnyThreads, numbers, rounded } from './testing.ts';

const hyper = [0.9, 0.999, 1e-8, 0.01] as const;

const newState = (length: number) => {
  const blocks = Math.ceil(length / momentBlock);
  return {
    m: new Uint8Array(length),
    v: new Uint8Array(length),
    mScales: new Float32Array(blocks),
    vScales: new Float32Array(blocks),
  };
};

/** Gradients whose sizes differ by a thousand within a block, as a weight's do. */
function gradient(length: number, step: number): Float32Array {
  const sizes = Float32Array.from(numbers(length, 7, -4, -1));
  const values = Float32Array.from(numbers(length, 100 + step));
  return values.map((value, i) => value * Math.fround(10 ** sizes[i]));
}

function run(length: number, steps: number, kernel: typeof adamw8.run) {
  const param = Float32Array.from(numbers(length, 1));
  const { m, v, mScales, vScales } = newState(length);
  const seen = new Map<number, Float32Array>();
  for (let step = 1; step <= steps; step++) {
    const rate = 1e-3 * Math.min(1, step / 10);
    kernel(param, gradient(length, step), m, v, mScales, vScales, rate, ...hyper, step, 1);
    seen.set(step, param.slice());
  }
  return { param, m, v, mScales, vScales, seen };
}

/** How many codes differ, none by more than one place. */
function codesApart(got: Uint8Array, want: Uint8Array): number {
  let count = 0;
  for (const [i, code] of got.entries()) {
    expect(Math.abs(code - want[i]), `code ${i}`).toBeLessThanOrEqual(1);
    if (code !== want[i]) count++;
  }
  return count;
}

test.each([1, 255, 4396, 20_000])('native equals the twin: %d numbers', (length) => {
  const got = run(length, 3, adamw8.run);
  const want = run(length, 3, adamw8.reference as typeof adamw8.run);
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

test('equals bitsandbytes over a hundred steps', () => {
  const path = fileURLToPath(new URL('../../tests/golden/optim8.safetensors', import.meta.url));
  const { tensors } = openSafetensors(path);
  const bytes = (name: string) => tensors.get(name)!.bytes.slice();
  const floats = (name: string) => new Float32Array(bytes(name).buffer);
  expect(dynamicMap(true)).toEqual(floats('signed'));
  expect(dynamicMap(false)).toEqual(floats('unsigned'));
  const length = floats('param10').length;
  const first = run(length, 1, adamw8.run);
  // It divides by the scale where we multiply by its inverse, and halfway takes either.
  expect(codesApart(first.m, bytes('codes1.m'))).toBeLessThanOrEqual(4);
  expect(codesApart(first.v, bytes('codes1.v'))).toBeLessThanOrEqual(4);
  expectClose(first.mScales, floats('scales1.m'), { relative: 1e-6 });
  expectClose(first.vScales, floats('scales1.v'), { relative: 1e-6 });
  const { seen } = run(length, 100, adamw8.run);
  const mean = (a: Float32Array, b: Float32Array) =>
    a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / length;
  for (const step of [10, 100]) {
    const theirs = floats(`param${step}`);
    const ours = seen.get(step)!;
    // What the codes that differ do, against what 8 bits do at all.
    const cost = mean(theirs, floats(`exact${step}`));
    expect(mean(ours, theirs) / cost, `step ${step}`).toBeLessThan(0.02);
    expect(cost).toBeGreaterThan(0);
  }
});

test('any number of threads gives the same bits', () => {
  expectSameOnAnyThreads(() => {
    const { param, m, v, mScales, vScales } = run(70_001, 2, adamw8.run);
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
