import { expect, test } from 'vitest';
import { gemm } from './gemm.ts';
import {
  expectClose,
  expectSameOnAnyThreads,
  rounded,
  type Storage,
  storages,
  store,
  unset,
} from './testing.ts';

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

test('row strides that alias in the cache', () => {
  check(60, 100, 1024, { transB: true });
  check(60, 1024, 100);
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

test('few rows, as decoding has them', () => {
  for (let m = 1; m <= 9; m++) {
    for (const b of storages) {
      for (const c of storages) {
        check(m, 300, 577, { transB: true, storage: ['f32', b, c], bias: 'f32' });
        check(m, 67, 48, { transB: true, storage: [c, b, c], beta: 1, alpha: 0.25 });
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

test('no bit depends on the number of threads', () => {
  const shapes = [
    [200, 300, 500],
    [700, 64, 130],
    [60, 1000, 400],
    [8, 900, 600],
    [2200, 40, 400],
  ] as const;
  for (const [m, n, k] of shapes) {
    for (const { transA, transB } of orientations) {
      for (const storage of storages) {
        const a = rounded(m * k, 1, storage).data;
        const b = rounded(n * k, 2, storage).data;
        const c = rounded(m * n, 3, storage).data;
        expectSameOnAnyThreads(() => {
          const result = c.slice();
          gemm.run(a, b, result, m, n, k, transA, transB, 1, 1, null);
          return [result];
        });
      }
    }
  }
});

test('a row of the result does not depend on the rows beside it', () => {
  const [n, k] = [100, 800];
  const b = rounded(n * k, 2, 'f32').data;
  const a = rounded(70 * k, 1, 'f32').data;
  const all = new Float32Array(70 * n);
  gemm.run(a, b, all, 70, n, k, false, true, 1, 0, null);
  const some = new Float32Array(31 * n);
  gemm.run(a.subarray(11 * k), b, some, 31, n, k, false, true, 1, 0, null);
  expect(some).toEqual(all.subarray(11 * n, 42 * n));
});

test('a buffer that is too short is an error, not a crash', () => {
  const [a, c] = [new Float32Array(12), new Float32Array(9)];
  const short = new Float32Array(11);
  expect(() => gemm.run(a, short, c, 3, 3, 4, false, true, 1, 0, null)).toThrow(
    '`b` has 11 elements where 12 are needed',
  );
  expect(() => gemm.run(a, a, c, 3, 3, 4, false, true, 1, 0, store([1], 'f32'))).toThrow('`bias`');
});
