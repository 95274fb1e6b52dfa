import { describe, expect, test } from 'vitest';
import { add, addInto, columnSums, fill, scale, scaleRows } from './elementwise.ts';
import { expectClose, expectSameOnAnyThreads, load, rounded, storages, unset } from './testing.ts';

const length = 40_003;

describe.each(storages)('%s', (storage) => {
  test('sums and multiples equal the twin, into either operand too', () => {
    const [a, b] = [rounded(length, 1, storage), rounded(length, 2, storage)];
    const [y, exact] = [unset(length, storage), new Float64Array(length)];
    add.run(a.data, b.data, y);
    add.reference(a.exact, b.exact, exact);
    expectClose(y, exact, { relative: 2 ** -23 });
    for (const target of [0, 1]) {
      const both = [a.data.slice(), b.data.slice()];
      add.run(both[0], both[1], both[target]);
      expect(both[target]).toEqual(y);
    }
    const into = a.data.slice();
    addInto.run(b.data, into);
    expect(into).toEqual(y);

    scale.run(a.data, -0.3, y);
    scale.reference(a.exact, -0.3, exact);
    expectClose(y, exact, { relative: 2 ** -22 });
    const doubled = a.data.slice();
    add.run(doubled, doubled, doubled);
    expect(load(doubled)).toEqual(a.exact.map((v) => 2 * v));
    const own = a.data.slice();
    scale.run(own, -0.3, own);
    expect(own).toEqual(y);
  });

  test('filling', () => {
    const y = unset(length, storage);
    fill.run(y, 1.5);
    expect(load(y)).toEqual(new Float64Array(length).fill(1.5));
  });

  test('rows are scaled, alone or onto what is there', () => {
    const [rows, width] = [700, 37];
    const x = rounded(rows * width, 1, storage);
    const s = rounded(rows, 2, 'f32');
    for (const beta of [0, 1] as const) {
      const y = beta === 1 ? rounded(rows * width, 3, storage) : undefined;
      const data = y?.data ?? unset(rows * width, storage);
      const exact = y?.exact ?? new Float64Array(rows * width);
      scaleRows.run(x.data, s.data, data, beta);
      scaleRows.reference(x.exact, s.exact, exact, beta);
      expectClose(data, exact, { absolute: 1e-7, relative: 2 ** -22 });
    }
  });

  test('columns are summed', () => {
    for (const [rows, width] of [
      [1, 5],
      [900, 37],
      [3, 20_000],
    ]) {
      const x = rounded(rows * width, 1, storage);
      const [y, exact] = [unset(width, 'f32'), new Float64Array(width)];
      columnSums.run(x.data, y);
      columnSums.reference(x.exact, exact);
      expectClose(y, exact, { absolute: 1e-5 });
    }
  });
});

test('storages mix', () => {
  const [a, b] = [rounded(length, 1, 'f32'), rounded(length, 2, 'bf16')];
  const [y, exact] = [unset(length, 'f32'), new Float64Array(length)];
  add.run(a.data, b.data, y);
  add.reference(a.exact, b.exact, exact);
  expectClose(y, exact, { relative: 2 ** -23 });
});

test('any number of threads gives the same bits', () => {
  const x = rounded(90 * 1111, 1, 'f32').data;
  expectSameOnAnyThreads(() => {
    const [y, sums] = [x.slice(), new Float32Array(90)];
    addInto.run(x, y);
    scaleRows.run(x, x.subarray(0, 90), y, 1);
    columnSums.run(y, sums);
    return [y, sums];
  });
});

test('lengths that differ are refused', () => {
  expect(() => add.run(new Float32Array(3), new Float32Array(2), new Float32Array(3))).toThrow(
    /`b`/,
  );
  expect(() => addInto.run(new Int32Array(3), new Float32Array(3))).toThrow(/Float32Array/);
});
