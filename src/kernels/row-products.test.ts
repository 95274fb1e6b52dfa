import { describe, expect, test } from 'vitest';
import { readFor, rowProducts } from './row-products.ts';
import {
  expectClose,
  expectSameOnAnyThreads,
  numbers,
  rounded,
  storages,
  unset,
} from './testing.ts';
import { columnsOf, quantizedTypes, randomQuantized } from './testing-quantized.ts';

/** As for `gemm`: lanes of their own add up a little better than one sum. */
const tolerance = (k: number) => 3.5e-7 * Math.sqrt(k + 1) + 4e-8 * k;

/** Below, at and above the tiles of three rows by four, and tasks of twelve rows. */
const counts = [1, 2, 3, 4, 5, 7, 8, 13];
const outputs = [1, 2, 3, 5, 12, 67];

describe.each(storages)('a weight in %s', (storage) => {
  test('every tail: equal to the twin', () => {
    for (const m of counts) {
      for (const n of outputs) {
        for (const k of [1, 7, 8, 16, 33, 100]) {
          for (const other of storages) {
            const [x, w] = [rounded(m * k, 1, other), rounded(n * k, 2, storage)];
            const [start, bias] = [rounded(m * n, 3, other), rounded(n, 4, storage)];
            const name = `${m}×${n}×${k} ${other}`;
            const y = unset(m * n, other);
            rowProducts.run(x.data, w.data, y, m, n, k, 1, 0, null);
            const exact = new Float64Array(m * n);
            rowProducts.reference(x.exact, w.exact, exact, m, n, k, 1, 0, null);
            expectClose(y, exact, { absolute: tolerance(k), relative: 1.5e-7, name });
            rowProducts.run(x.data, w.data, start.data, m, n, k, -0.5, 1, bias.data);
            rowProducts.reference(x.exact, w.exact, start.exact, m, n, k, -0.5, 1, bias.exact);
            expectClose(start.data, start.exact, {
              absolute: tolerance(k),
              relative: 2.5e-7,
              name,
            });
          }
        }
      }
    }
  });

  test('a row is the same bit for bit, however many there are', () => {
    const [n, k] = [301, 577];
    const w = rounded(n * k, 1, storage).data;
    expectSameAlone(w, n, k);
  });

  test('no bit depends on the number of threads', () => {
    for (const [m, n, k] of [
      [1, 3000, 200],
      [9, 700, 130],
    ]) {
      const [x, w] = [rounded(m * k, 1, 'f32').data, rounded(n * k, 2, storage).data];
      expectSameOnAnyThreads(() => {
        const y = unset(m * n, 'f32');
        rowProducts.run(x, w, y, m, n, k, 1, 0, null);
        return [y];
      });
    }
  });
});

const forms = quantizedTypes.flatMap((type) => [
  { type, nested: false, integer: false },
  ...(type === 'NF4' ? [{ type, nested: true, integer: false }] : []),
  ...(type === 'INT8' ? [{ type, nested: false, integer: true }] : []),
]);

describe.each(forms)('$type (nested: $nested, integer: $integer)', ({ type, ...form }) => {
  const unit = columnsOf(type);
  const widths = unit === 1 ? [1, 31, 64, 100, 577] : [unit, 3 * unit];

  test('equal to the twin, which reads x as the kernel does', () => {
    for (const m of counts) {
      for (const n of outputs) {
        for (const k of widths) {
          const w = randomQuantized(type, n, k, m + n + k, form);
          const x = Float32Array.from(numbers(m * k, 5, -3, 3));
          // A block of zeros has no scale.
          x.fill(0, 0, Math.min(32, k));
          const bias = rounded(n, 4, 'f32');
          const y = unset(m * n, 'f32');
          rowProducts.run(x, w, y, m, n, k, 0.5, 0, bias.data);
          const exact = new Float64Array(m * n);
          const read = Float64Array.from(readFor(w, x, k));
          const weights = Float64Array.from(w.numbers());
          rowProducts.reference(read, weights, exact, m, n, k, 0.5, 0, bias.exact);
          const size = weights.reduce((a, b) => Math.max(a, Math.abs(b)), 0) * 3;
          expectClose(y, exact, {
            absolute: tolerance(k) * Math.max(1, size),
            relative: 3e-7,
            name: `${m}×${n}×${k}`,
          });
        }
      }
    }
  });

  test('a row is the same bit for bit, however many there are', () => {
    const [n, k] = [61, widths[widths.length - 1]];
    expectSameAlone(randomQuantized(type, n, k, 3, form), n, k);
  });

  test('no bit depends on the number of threads', () => {
    const k = Math.max(unit, 96);
    const [m, n] = [3, 1000];
    const w = randomQuantized(type, n, k, 3, form);
    const x = Float32Array.from(numbers(m * k, 5));
    expectSameOnAnyThreads(() => {
      const y = unset(m * n, 'f32');
      rowProducts.run(x, w, y, m, n, k, 1, 0, null);
      return [y];
    });
  });

  test('what is no number stays none', () => {
    const k = Math.max(unit, 96);
    const [m, n] = [2, 5];
    const w = randomQuantized(type, n, k, 3, form);
    const x = Float32Array.from(numbers(m * k, 5));
    x[k - 1] = Number.NaN;
    const y = unset(m * n, 'f32');
    rowProducts.run(x, w, y, m, n, k, 1, 0, null);
    expect(Array.from(y, Number.isFinite)).toEqual([
      ...Array(n).fill(false),
      ...Array(n).fill(true),
    ]);
  });
});

/** Each of 13 rows alone, and in the places that it has among others. */
function expectSameAlone(w: Parameters<typeof rowProducts.run>[1], n: number, k: number): void {
  const m = 13;
  const x = Float32Array.from(numbers(m * k, 5));
  const alone = new Float32Array(m * n);
  for (let row = 0; row < m; row++) {
    const y = alone.subarray(row * n, (row + 1) * n);
    rowProducts.run(x.subarray(row * k, (row + 1) * k), w, y, 1, n, k, 1, 0, null);
  }
  for (const count of [2, 3, 4, 5, 8, 11, 13]) {
    const y = new Float32Array(count * n);
    rowProducts.run(x.subarray((m - count) * k), w, y, count, n, k, 1, 0, null);
    expect(y).toEqual(alone.subarray((m - count) * n));
  }
}

test('no rows and no outputs are no error; a weight that is too small is one', () => {
  const none = new Float32Array(0);
  rowProducts.run(none, new Float32Array(6), none, 0, 2, 3, 1, 0, null);
  rowProducts.run(new Float32Array(3), none, none, 1, 0, 3, 1, 0, null);
  const y = new Float32Array(4).fill(Number.NaN);
  rowProducts.run(none, none, y, 2, 2, 0, 1, 0, Float32Array.of(5, 6));
  expect([...y]).toEqual([5, 6, 5, 6]);
  const short = () =>
    rowProducts.run(new Float32Array(3), new Float32Array(5), y, 1, 2, 3, 1, 0, null);
  expect(short).toThrow('`weight` has 5 elements where 6 are needed');
});
