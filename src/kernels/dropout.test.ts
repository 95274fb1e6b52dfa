import { describe, expect, test } from 'vitest';
import { dropout } from './dropout.ts';
import { philox } from './philox.ts';
import { expectClose, expectSameOnAnyThreads, load, rounded, storages, unset } from './testing.ts';

const hex = (words: readonly number[]) =>
  words.map((w) => w.toString(16).padStart(8, '0')).join(' ');

test('Philox gives the known answers of Random123', () => {
  expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  const ones = 0xffffffff;
  expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toBe(
    '408f276d 41c83b0e a20bc7c6 6d5451fd',
  );
  expect(
    hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])),
  ).toBe('d16cfe09 94fdcceb 5001e420 24126ea1');
});

describe.each(storages)('%s', (storage) => {
  test.each([1, 3, 64, 65, 576])('a width of %d equals the twin, in place too', (width) => {
    const rows = 40;
    const ids = Int32Array.from({ length: rows }, (_, i) => (i < 15 ? 7 : -1 - i));
    const positions = Int32Array.from({ length: rows }, (_, i) => (i < 15 ? i : i + 100_000));
    const x = rounded(rows * width, 1, storage);
    const y = unset(rows * width, storage);
    const exact = new Float64Array(rows * width);
    for (const p of [0, 0.1, 0.5, 0.999]) {
      dropout.run(x.data, ids, positions, 42, 0xfedcba98, 3, p, y);
      dropout.reference(x.exact, ids, positions, 42, 0xfedcba98, 3, p, exact);
      expectClose(y, exact, { relative: 2e-7 });
      const own = x.data.slice();
      dropout.run(own, ids, positions, 42, 0xfedcba98, 3, p, own);
      expect(own).toEqual(y);
    }
  });
});

test('the share that is dropped is p, and the sum keeps its size', () => {
  const [rows, width] = [400, 256];
  const ids = Int32Array.from({ length: rows }, (_, i) => i);
  const x = new Float32Array(rows * width).fill(1);
  const y = new Float32Array(rows * width);
  dropout.run(x, ids, new Int32Array(rows), 1, 2, 3, 0.1, y);
  const dropped = y.filter((v) => v === 0).length / y.length;
  // Three standard deviations of a binomial share.
  expect(Math.abs(dropped - 0.1)).toBeLessThan(3 * Math.sqrt(0.09 / y.length));
  expect(load(y).reduce((a, b) => a + b, 0) / y.length).toBeCloseTo(1, 2);
});

test('a position’s mask is its own: wherever it lies, and whatever lies beside it', () => {
  const width = 48;
  const x = new Float32Array(3 * width).fill(1);
  const mask = (ids: number[], positions: number[], ...rest: [number, number, number]) => {
    const y = new Float32Array(ids.length * width);
    const [seed, purpose, step] = rest;
    const arrays = [Int32Array.from(ids), Int32Array.from(positions)];
    dropout.run(x.subarray(0, y.length), arrays[0], arrays[1], seed, purpose, step, 0.5, y);
    return y;
  };
  const alone = mask([5], [9], 1, 2, 3);
  expect(mask([4, 5, 6], [0, 9, 1], 1, 2, 3).subarray(width, 2 * width)).toEqual(alone);
  for (const other of [
    mask([6], [9], 1, 2, 3),
    mask([5], [8], 1, 2, 3),
    mask([5], [9], 0, 2, 3),
    mask([5], [9], 1, 1, 3),
    mask([5], [9], 1, 2, 4),
  ]) {
    expect(other).not.toEqual(alone);
  }
});

test('what is dropped is zero even where it was NaN; p of 1 is refused', () => {
  const x = new Float32Array(64).fill(Number.NaN);
  const zero = Int32Array.of(0);
  dropout.run(x, zero, zero, 1, 1, 1, 0.5, x);
  expect(x).toContain(0);
  expect(x.some(Number.isNaN)).toBe(true);
  expect(() => dropout.run(x, zero, zero, 1, 1, 1, 1, x)).toThrow(/in \[0, 1\)/);
});

test('any number of threads gives the same bits', () => {
  const ids = Int32Array.from({ length: 500 }, (_, i) => i);
  const x = rounded(500 * 96, 1, 'f32').data;
  expectSameOnAnyThreads(() => {
    const y = unset(x.length, 'f32');
    dropout.run(x, ids, ids, 1, 2, 3, 0.3, y);
    return [y];
  });
});
