import { expect, test } from 'vitest';
import { expand } from './convert.ts';
import { gemm, integerProduct } from './gemm.ts';
import type { Quantized } from './quantized.ts';
import {
  expectClose,
  expectSameOnAnyThreads,
  load,
  numbers,
  rounded,
  type Storage,
  storages,
  store,
  unset,
} from './testing.ts';
import { quantizedTypes, randomQuantized } from './testing-quantized.ts';

type Options = {
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly alpha?: number;
  readonly beta?: 0 | 1;
  readonly bias?: Storage | null;
  readonly storage?: readonly [a: Storage, b: Storage, c: Storage];
};

/**
 * The error of a sum of k products of numbers in [-1, 1), added up in order: measured 2.3e-5 at worst for k = 1100, 1.7e-5
 * for 801, 1.7e-7 · √k for short ones, over all shapes and instruction sets. The bound is up to twice as much.
 */
const tolerance = (k: number) => 3.5e-7 * Math.sqrt(k + 1) + 4e-8 * k;

function check(m: number, n: number, k: number, options: Options = {}): void {
  const { transA = false, transB = false, alpha = 1, beta = 0, bias = null } = options;
  const [sa, sb, sc] = options.storage ?? (['f32', 'f32', 'f32'] as const);
  const a = rounded(m * k, 1, sa);
  const b = rounded(n * k, 2, sb);
  const start = rounded(m * n, 3, sc);
  const added = bias === null ? null : rounded(n, 4, bias);
  // Where beta is 0 the old numbers must not be read: NaN would show.
  const c = beta === 1 ? start.data : unset(m * n, sc);
  gemm.run(a.data, b.data, c, m, n, k, transA, transB, alpha, beta, added?.data ?? null);
  const exact = start.exact;
  const exactBias = added?.exact ?? null;
  gemm.reference(a.exact, b.exact, exact, m, n, k, transA, transB, alpha, beta, exactBias);
  const name = `${m}×${n}×${k} ${JSON.stringify(options)}`;
  expectClose(c, exact, {
    absolute: tolerance(k) * Math.max(1, Math.abs(alpha)),
    relative: 1.5e-7,
    name,
  });
}

const orientations = [
  { transA: false, transB: false },
  { transA: false, transB: true },
  { transA: true, transB: false },
  { transA: true, transB: true },
];

test.each(orientations)('every tail from 1 to 40: %o', (orientation) => {
  for (let size = 1; size <= 40; size++) {
    check(size, 37, 20, orientation);
    check(35, size, 20, orientation);
    check(23, 33, size, orientation);
    check(size, size, size, { ...orientation, alpha: -0.5, beta: 1, bias: 'f32' });
  }
});

test.each(orientations)('every mixture of storages: %o', (orientation) => {
  for (const a of storages) {
    for (const b of storages) {
      for (const c of storages) {
        const storage = [a, b, c] as const;
        for (const [m, n, k] of [
          [50, 70, 41],
          [13, 17, 64],
          [3, 40, 35],
          [60, 33, 801],
        ] as const) {
          check(m, n, k, { ...orientation, storage });
          check(m, n, k, { ...orientation, storage, alpha: 2, beta: 1, bias: a });
        }
      }
    }
  }
});

test.each(orientations)('several chunks of k and several tasks: %o', (orientation) => {
  check(130, 200, 1100, { ...orientation, beta: 1 });
  check(101, 450, 389, { ...orientation, bias: 'f32' });
});

test('more of A than is taken apart at once', () => {
  const [m, n, k] = [401, 70, 3600];
  for (const orientation of orientations) check(m, n, k, { ...orientation, bias: 'f32', beta: 1 });
  check(m, n, k, { alpha: -2, beta: 1, bias: 'f32' });
  check(m, n, k, { transB: true, storage: ['f32', 'f32', 'bf16'] });
});

test('f32 keeps all of its digits, whatever their size', () => {
  const [m, n, k] = [80, 96, 100];
  const args = [m, n, k, false, false, 1, 0] as const;
  const a = Float32Array.from(numbers(m * k, 1), (x, i) => x * 2 ** (i % 17));
  // One and a little: three bf16 of eight bits hold it, two do not.
  const b = Float32Array.from({ length: k * n }, (_, i) => 1 + (i % 911) * 2 ** -22);
  const c = new Float32Array(m * n);
  gemm.run(a, b, c, ...args, null);
  const [exact, sizes] = [new Float64Array(m * n), new Float64Array(m * n)];
  gemm.reference(Float64Array.from(a), Float64Array.from(b), exact, ...args, null);
  gemm.reference(Float64Array.from(a, Math.abs), Float64Array.from(b), sizes, ...args, null);
  const worst = c.reduce((most, x, i) => Math.max(most, Math.abs(x - exact[i]) / sizes[i]), 0);
  expect(worst).toBeLessThan(5e-7);
});

test('row strides that alias in the cache', () => {
  check(60, 100, 1024, { transB: true });
  check(60, 1024, 100);
  check(60, 300, 4096, { transB: true, storage: ['bf16', 'bf16', 'bf16'] });
});

test('thin products, as LoRA has them', () => {
  for (const rank of [1, 8, 16]) {
    check(300, rank, 576, { transB: true });
    check(300, 576, rank, { transB: true, alpha: 2, beta: 1 });
    check(300, rank, 576);
    check(300, 576, rank, { beta: 1 });
    check(rank, 576, 300, { transA: true });
    check(576, rank, 300, { transA: true, alpha: 2, beta: 1 });
  }
});

test('gradients of low-rank factors sum bf16 where it lies', () => {
  for (const a of storages) {
    const storage = [a, 'bf16', 'f32'] as const;
    // As many columns as a panel has, rows beyond a tile's, and columns that no panel has whole.
    check(8, 32, 300, { transA: true, storage });
    check(24, 70, 401, { transA: true, storage, beta: 1 });
    check(576, 8, 300, { transA: true, storage: ['bf16', a, 'f32'], alpha: 2, beta: 1 });
  }
});

test('few rows', () => {
  for (let m = 1; m <= 9; m++) {
    for (const b of storages) {
      for (const c of storages) {
        check(m, 300, 577, { transB: true, storage: ['f32', b, c], bias: 'f32' });
        check(m, 67, 48, { transB: true, storage: [c, b, c], beta: 1, alpha: 0.25 });
      }
    }
  }
});

test.each(orientations)('the edges of the chunks of k: %o', (orientation) => {
  for (const edge of [288, 384, 576, 768, 864]) {
    for (const k of [edge - 1, edge, edge + 1]) check(7, 33, k, orientation);
  }
});

test.each(orientations)('more than is packed together: %o', (orientation) => {
  check(26, 300, 4200, orientation);
  check(25, 1050, 1100, { ...orientation, storage: ['bf16', 'f32', 'bf16'], beta: 1 });
  check(25, 530, 5000, { ...orientation, storage: ['bf16', 'bf16', 'bf16'], bias: 'f32' });
});

/** y = x · Wᵀ (or · W) + h · Bᵀ (or · B), in one call and in two. */
function checkLow(m: number, n: number, k: number, rank: number, transB: boolean): void {
  for (const [storage, beside] of [
    ['f32', 'f32'],
    ['bf16', 'f32'],
    ['bf16', 'bf16'],
  ] as const) {
    const a = rounded(m * k, 1, storage);
    const b = rounded(n * k, 2, storage);
    const h = rounded(m * rank, 3, beside);
    const low = rounded(n * rank, 4, beside);
    const bias = rounded(n, 5, 'f32');
    const c = unset(m * n, storage);
    const args = [m, n, k, false, transB, 1, 0] as const;
    gemm.run(a.data, b.data, c, ...args, bias.data, h.data, low.data);
    const exact = new Float64Array(m * n);
    gemm.reference(a.exact, b.exact, exact, ...args, bias.exact, h.exact, low.exact);
    const absolute = tolerance(k) + tolerance(rank);
    const name = `${m}×${n}×${k} + ${rank} ${storage} ${beside}`;
    expectClose(c, exact, { absolute, relative: 1.5e-7, name });
    if (storage === 'bf16') continue;
    const twice = unset(m * n, storage);
    gemm.run(a.data, b.data, twice, ...args, bias.data);
    gemm.run(h.data, low.data, twice, m, n, rank, false, transB, 1, 1, null);
    expect(c, name).toEqual(twice);
  }
}

test.each([true, false])('a low-rank update beside the product, transB %o', (transB) => {
  for (const rank of [1, 8, 17, 64]) {
    checkLow(60, 130, 700, rank, transB);
    checkLow(1, 17, 30, rank, transB);
  }
  checkLow(80, 300, 576, 8, transB);
  checkLow(5, 40, 0, 8, transB);
});

const codes = (rows: number, columns: number): Quantized =>
  randomQuantized('INT8', rows, columns, 7, { integer: true });

test.each([true, false])('products of whole numbers are exact, transB %o', (transB) => {
  const shapes = [
    [1, 1, 1],
    [1, 17, 5],
    [7, 40, 33],
    [13, 100, 577],
    [50, 70, 1203],
    [130, 130, 64],
  ] as const;
  for (const [m, n, k] of shapes) {
    const b = transB ? codes(n, k) : codes(k, n);
    for (const storage of storages) {
      const a = rounded(m * k, 1, storage);
      const exact = integerProduct(a.exact, b, m, n, k, transB);
      const c = new Float32Array(m * n);
      gemm.run(a.data, b, c, m, n, k, false, transB, 1, 0, null);
      expect(c, `${m}×${n}×${k} ${storage}`).toEqual(exact);
      const bias = rounded(n, 3, 'f32');
      const low = [rounded(m * 8, 4, 'f32').data, rounded(n * 8, 5, 'f32').data] as const;
      const twice = rounded(m * n, 6, storage).data;
      const once = twice.slice();
      gemm.run(a.data, b, once, m, n, k, false, transB, 1, 1, bias.data, ...low);
      const sum = new Float32Array(m * n);
      for (let i = 0; i < m * n; i++) sum[i] = exact[i] + bias.exact[i % n];
      gemm.run(low[0], low[1], sum, m, n, 8, false, transB, 1, 1, null);
      const start = load(twice);
      expectClose(
        once,
        start.map((x, i) => x + sum[i]),
        { absolute: 1e-6, relative: 1e-6 },
      );
    }
  }
});

test('a row of zeros is quantized to zeros, and what is no number stays none', () => {
  const b = codes(20, 40);
  const a = Float32Array.from(numbers(3 * 40, 1));
  a.fill(0, 0, 40);
  a[50] = Number.POSITIVE_INFINITY;
  const c = new Float32Array(3 * 20);
  gemm.run(a, b, c, 3, 20, 40, false, true, 1, 0, null);
  expect(c.subarray(0, 20)).toEqual(new Float32Array(20));
  expect(c.subarray(20, 40).every(Number.isNaN)).toBe(true);
  expect(c.subarray(40).every(Number.isFinite)).toBe(true);
});

test('quantized matrices are multiplied as their numbers are, bit for bit', () => {
  for (const type of quantizedTypes) {
    for (const transB of [true, false]) {
      for (const m of [1, 20, 300]) {
        const [rows, columns] = [144, 1024];
        const b = randomQuantized(type, rows, columns, 3);
        const expanded = new Float32Array(rows * columns);
        expand.run(b, expanded);
        const [n, k] = transB ? [rows, columns] : [columns, rows];
        // Beside bf16 they are rounded to it.
        const rounds = [expanded, store(expanded, 'bf16')] as const;
        for (const [i, storage] of storages.entries()) {
          const a = rounded(m * k, 1, storage).data;
          const [got, want] = [new Float32Array(m * n), new Float32Array(m * n)];
          gemm.run(a, b, got, m, n, k, false, transB, 1, 0, null);
          gemm.run(a, rounds[i], want, m, n, k, false, transB, 1, 0, null);
          expect(got, `${type} ${storage} transB ${transB}, ${m} rows`).toEqual(want);
        }
      }
    }
  }
});

test('nothing to sum gives the bias, nothing to write is no error', () => {
  check(5, 40, 0, { transB: true, bias: 'f32' });
  check(40, 5, 0, { beta: 1 });
  check(0, 5, 3);
  check(5, 0, 3);
});

test('infinities and NaN reach the numbers that they belong to, and no others', () => {
  const [m, n, k] = [20, 50, 30];
  const a = rounded(m * k, 1, 'f32').data;
  const b = rounded(k * n, 2, 'f32').data;
  a[3 * k + 4] = Number.NaN;
  b[5 * n + 49] = Number.POSITIVE_INFINITY;
  const c = new Float32Array(m * n);
  gemm.run(a, b, c, m, n, k, false, false, 1, 0, null);
  for (let i = 0; i < m * n; i++) {
    const [row, column] = [Math.floor(i / n), i % n];
    expect(Number.isFinite(c[i])).toBe(row !== 3 && column !== 49);
  }
});

test('no bit of a row with a low-rank update depends on the rows beside it, or on the threads', () => {
  const n = 300;
  for (const [k, rank] of [
    [576, 8],
    [576, 64],
    [4096, 8],
  ] as const) {
    for (const storage of storages) {
      const [a, b] = [rounded(100 * k, 1, storage).data, rounded(n * k, 2, storage).data];
      const [h, low] = [rounded(100 * rank, 3, storage).data, rounded(n * rank, 4, storage).data];
      for (const bias of [null, rounded(n, 5, 'f32').data]) {
        const product = (m: number): Float32Array => {
          const c = new Float32Array(m * n);
          const [some, someH] = [a.subarray(0, m * k), h.subarray(0, m * rank)];
          gemm.run(some, b, c, m, n, k, false, true, 1, 0, bias, someH, low);
          return c;
        };
        const all = product(100);
        for (const m of [1, 24, 40]) expect(product(m)).toEqual(all.subarray(0, m * n));
        expectSameOnAnyThreads(() => [product(100)]);
      }
    }
  }
});

test('no bit depends on the number of threads', () => {
  const shapes = [
    [200, 300, 500],
    [700, 64, 130],
    [60, 1000, 400],
    [8, 900, 600],
    [2200, 40, 400],
    [30, 130, 4200],
  ] as const;
  for (const [m, n, k] of shapes) {
    for (const { transA, transB } of orientations) {
      for (const storage of storages) {
        const a = rounded(m * k, 1, storage).data;
        const b = rounded(n * k, 2, storage).data;
        const c = rounded(m * n, 3, storage).data;
        const matrices = transA ? [b] : [b, transB ? codes(n, k) : codes(k, n)];
        for (const b of matrices) {
          expectSameOnAnyThreads(() => {
            const result = c.slice();
            gemm.run(a, b, result, m, n, k, transA, transB, 1, 1, null);
            return [result];
          });
        }
      }
    }
  }
});

test('a row of the result does not depend on the rows beside it, nor on their number', () => {
  const [n, k, most] = [100, 800, 300];
  for (const transB of [true, false]) {
    for (const storage of storages) {
      const floats = rounded(n * k, 2, storage).data;
      const bytes = transB ? codes(n, k) : codes(k, n);
      const a = rounded(most * k, 1, storage).data;
      for (const b of [floats, bytes]) {
        const all = new Float32Array(most * n);
        gemm.run(a, b, all, most, n, k, false, transB, 1, 0, null);
        for (const m of [1, 2, 3, 5, 8, 24, 25, 31, 130]) {
          const some = new Float32Array(m * n);
          gemm.run(a.subarray(11 * k), b, some, m, n, k, false, transB, 1, 0, null);
          expect(some, `${m} rows`).toEqual(all.subarray(11 * n, (11 + m) * n));
        }
      }
    }
  }
});

test('a buffer that is too short is an error, not a crash', () => {
  const [a, c] = [new Float32Array(12), new Float32Array(9)];
  const short = new Float32Array(11);
  expect(() => gemm.run(a, short, c, 3, 3, 4, false, true, 1, 0, null)).toThrow(
    '`b` has 11 elements where 12 are needed',
  );
  expect(() => gemm.run(a, a, c, 3, 3, 4, false, true, 1, 0, store([1], 'f32'))).toThrow('`bias`');
});
