import { describe, expect, test } from 'vitest';
import { copyColumns, gatherRows, putRows, scatterAddRows } from './rows.ts';
import { expectClose, expectSameOnAnyThreads, load, rounded, storages, unset } from './testing.ts';

const [height, width, count] = [50, 37, 1200];
/** With many repeats, and rows that nobody asks for. */
const indices = Int32Array.from({ length: count }, (_, i) => (i * i) % (height - 1));

describe.each(storages)('%s', (storage) => {
  test.each(storages)('rows are gathered, to %s', (target) => {
    const table = rounded(height * width, 1, storage);
    const y = unset(count * width, target);
    gatherRows.run(table.data, indices, y);
    const exact = new Float64Array(count * width);
    gatherRows.reference(table.exact, indices, exact);
    if (storage === 'f32' && target === 'bf16') expectClose(y, exact);
    else expect(load(y)).toEqual(exact);
  });

  test.each(storages)(
    'rows are put in their places, as %s, and the later of two stays',
    (target) => {
      const x = rounded(6 * width, 5, storage);
      const places = Int32Array.of(9, 3, 0, height - 1, 3, 20);
      const table = rounded(height * width, 6, target);
      putRows.run(x.data, places, table.data);
      putRows.reference(x.exact, places, table.exact);
      if (storage === 'f32' && target === 'bf16') expectClose(table.data, table.exact);
      else expect(load(table.data)).toEqual(table.exact);
    },
  );

  test('rows are added to the table where they belong', () => {
    const dy = rounded(count * width, 2, storage);
    const start = rounded(height * width, 3, 'f32');
    scatterAddRows.run(dy.data, indices, start.data);
    scatterAddRows.reference(dy.exact, indices, start.exact);
    expectClose(start.data, start.exact, { absolute: 1e-5 });
  });

  test('columns are split and merged', () => {
    const rows = 300;
    const x = rounded(rows * 12, 4, storage);
    const parts = [unset(rows * 5, storage), unset(rows * 7, storage)];
    copyColumns.run(x.data, rows, 12, 0, parts[0], 5, 0, 5);
    copyColumns.run(x.data, rows, 12, 5, parts[1], 7, 0, 7);
    const exact = new Float64Array(rows * 7);
    copyColumns.reference(x.exact, rows, 12, 5, exact, 7, 0, 7);
    expect(load(parts[1])).toEqual(exact);
    const merged = unset(rows * 12, storage);
    copyColumns.run(parts[0], rows, 5, 0, merged, 12, 0, 5);
    copyColumns.run(parts[1], rows, 7, 0, merged, 12, 5, 7);
    expect(merged).toEqual(x.data);
  });
});

test('gathering and scattering are each other’s gradient: ⟨gather(t), d⟩ = ⟨t, scatter(d)⟩', () => {
  const table = rounded(height * width, 1, 'f32').exact;
  const dy = rounded(count * width, 2, 'f32').exact;
  const y = new Float64Array(count * width);
  gatherRows.run(table, indices, y);
  const gradient = new Float64Array(height * width);
  scatterAddRows.run(dy, indices, gradient);
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);
  expect(dot(y, dy)).toBeCloseTo(dot(table, gradient), 9);
});

test('any number of threads gives the same bits', () => {
  const dy = rounded(count * width, 2, 'f32').data;
  expectSameOnAnyThreads(() => {
    const table = new Float32Array(height * width);
    scatterAddRows.run(dy, indices, table);
    const y = new Float32Array(count * width);
    gatherRows.run(table, indices, y);
    return [table, y];
  });
});

test('no rows at all is fine; an index or a column outside is refused', () => {
  const table = new Float32Array(8);
  gatherRows.run(table, new Int32Array(0), new Float32Array(0));
  scatterAddRows.run(new Float32Array(0), new Int32Array(0), table);
  putRows.run(new Float32Array(0), new Int32Array(0), table);
  for (const index of [-1, 2]) {
    expect(() => putRows.run(new Float32Array(8), Int32Array.of(0, index), table)).toThrow(
      `index ${index} is outside a table of 2 rows`,
    );
    expect(() => gatherRows.run(table, Int32Array.of(0, index), new Float32Array(8))).toThrow(
      `index ${index} is outside a table of 2 rows`,
    );
  }
  expect(() => scatterAddRows.run(new Float32Array(4), Int32Array.of(2), table)).toThrow(/index 2/);
  expect(() => copyColumns.run(table, 2, 4, 2, table, 4, 0, 3)).toThrow(/do not fit/);
});
