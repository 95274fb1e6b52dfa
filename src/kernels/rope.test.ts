import { describe, expect, test } from 'vitest';
import { rope, ropeTable } from './rope.ts';
import {
  expectClose,
  expectGradients,
  expectSameOnAnyThreads,
  load,
  numbers,
  rounded,
  storages,
  unset,
} from './testing.ts';

const frequencies = (half: number): Float32Array =>
  Float32Array.from({ length: half }, (_, i) => 10000 ** (-i / half));

/** Positions of two documents end to end, the second one long. */
const documentPositions = Int32Array.from({ length: 70 }, (_, i) => (i < 30 ? i : (i - 30) * 3000));

function table(positions: Int32Array, half: number, scaling = 1) {
  const [cos, sin] = [unset(positions.length * half, 'f32'), unset(positions.length * half, 'f32')];
  ropeTable.run(positions, frequencies(half), scaling, cos, sin);
  return { cos, sin };
}

test('the table is exact to f32, far from the start too', () => {
  const half = 32;
  for (const scaling of [1, 1.2079]) {
    const { cos, sin } = table(documentPositions, half, scaling);
    const exact = [new Float64Array(cos.length), new Float64Array(cos.length)];
    ropeTable.reference(documentPositions, frequencies(half), scaling, exact[0], exact[1]);
    expectClose(cos, exact[0], { relative: 2 ** -22, name: 'cos' });
    expectClose(sin, exact[1], { relative: 2 ** -22, name: 'sin' });
  }
});

describe.each(storages)('%s', (storage) => {
  test('equals the twin, whole heads and a part of them, forward and backward, in place too', () => {
    for (const [heads, width, half] of [
      [3, 8, 4],
      [1, 64, 32],
      [9, 64, 32],
      [2, 20, 3],
    ]) {
      for (const direction of [1, -1] as const) {
        const { cos, sin } = table(documentPositions, half);
        const length = documentPositions.length * heads * width;
        const x = rounded(length, 1, storage);
        const y = unset(length, storage);
        rope.run(x.data, cos, sin, heads, width, direction, y);
        const exact = new Float64Array(length);
        rope.reference(x.exact, load(cos), load(sin), heads, width, direction, exact);
        expectClose(y, exact, { absolute: 2e-7, relative: 1e-7 });
        rope.run(x.data, cos, sin, heads, width, direction, x.data);
        expect(x.data).toEqual(y);
        rope.reference(x.exact, load(cos), load(sin), heads, width, direction, x.exact);
        expect(x.exact).toEqual(exact);
      }
    }
  });
});

test('the scores of two turned heads depend on the distance alone', () => {
  const half = 4;
  const [q, k] = [numbers(8, 1), numbers(8, 2)];
  const score = (i: number, j: number): number => {
    const { cos, sin } = table(Int32Array.of(i, j), half);
    const both = Float64Array.of(...q, ...k);
    rope.run(both, cos, sin, 1, 8, 1, both);
    return q.reduce((sum, _, c) => sum + both[c] * both[8 + c], 0);
  };
  expect(score(7, 3)).toBeCloseTo(score(104, 100), 5);
  expect(score(7, 3)).not.toBeCloseTo(score(7, 4), 2);
});

test('the opposite turn is the gradient, with scaling too', () => {
  const positions = Int32Array.of(0, 1, 5);
  const { cos, sin } = table(positions, 2, 1.5);
  const turn = (x: Float64Array, direction: 1 | -1): Float64Array => {
    const y = new Float64Array(x.length);
    rope.reference(x, cos as Float32Array, sin as Float32Array, 2, 5, direction, y);
    return y;
  };
  expectGradients(
    [numbers(30, 1)],
    ([x]) => turn(x, 1),
    (dy) => [turn(dy, -1)],
  );
});

test('any number of threads gives the same bits', () => {
  const positions = Int32Array.from({ length: 600 }, (_, i) => i);
  const x = rounded(600 * 9 * 64, 1, 'f32').data;
  expectSameOnAnyThreads(() => {
    const { cos, sin } = table(positions, 32);
    const y = unset(x.length, 'f32');
    rope.run(x, cos, sin, 9, 64, 1, y);
    return [cos, sin, y];
  });
});

test('a table wider than the heads is refused', () => {
  const { cos, sin } = table(Int32Array.of(0, 1), 8);
  const x = new Float32Array(2 * 8);
  expect(() => rope.run(x, cos, sin, 1, 8, 1, x)).toThrow(/16 channels of a head of 8/);
});
