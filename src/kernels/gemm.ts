/**
 * @file Matrix products of row-major matrices, C[m, n] = alpha · op(A) · op(B) + beta · C + bias, and the
 * probe of the machine's multiply-add peak that they are measured against.
 */
import { invariant } from '../core/errors.ts';
import { type FloatArray, kernel, storageOf } from './kernel.ts';
import type { Quantized } from './quantized.ts';

/**
 * `transA`: A is stored [k, m]. `transB`: B is stored [n, k], as a Linear's weight is ([out, in]). Each of `a`, `b` and `c`
 * may be f32 or bf16; sums are f32. With `beta` 0, what `c` held is not read. A row of C does not depend on how many
 * rows there are.
 *
 * `lowA` [m, rank] and `lowB` ([n, rank] with `transB`, else [rank, n]) add lowA · op(lowB) while C is in the
 * cache: the update of Hu et al. 2021 (arXiv:2106.09685, eq. 3).
 *
 * `b` may be a `Quantized` matrix, whose numbers are multiplied as they decode; beside an `a` of bf16, rounded to it. With
 * `integer`, the other operand is quantized as well: see `integerProduct`.
 */
export const gemm = kernel(
  'gemm',
  <A extends FloatArray>(
    a: A,
    b: A,
    c: A,
    m: number,
    n: number,
    k: number,
    transA: boolean,
    transB: boolean,
    alpha: number,
    beta: 0 | 1,
    bias: A | null,
    lowA: A | null = null,
    lowB: A | null = null,
  ): void => {
    const rank = lowA === null ? 0 : lowA.length / m;
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        for (let i = 0; i < k; i++) {
          sum +=
            a[transA ? i * m + row : row * k + i] * b[transB ? column * k + i : i * n + column];
        }
        let low = 0;
        for (let r = 0; r < rank && lowA !== null && lowB !== null; r++) {
          low += lowA[row * rank + r] * lowB[transB ? column * rank + r : r * n + column];
        }
        const at = row * n + column;
        const before = (beta === 1 ? c[at] : 0) + (bias === null ? 0 : bias[column]);
        c[at] = alpha * sum + low + before;
      }
    }
  },
  {
    cost: (_a, b, _c, m, n, k, _transA, _transB, _alpha, _beta, _bias, lowA) => ({
      flops: 2 * n * (m * k + (lowA?.length ?? 0)),
      rate: gemmRate(b, m, n, k),
    }),
  },
);

/**
 * What `gemm` does with a matrix of signed bytes whose `integer` is set (W8A8; Dettmers et al. 2022, arXiv:2208.07339,
 * section 2.1): each row of A, times the scales of B's rows where those are summed over, becomes whole numbers by its
 * largest magnitude / 127, to the nearest even; sums of products are exact, and get both scales back.
 *
 * a: [m, k], b: [n, k] with `transB`, else [k, n] → [m, n], rounded to f32 as Rust rounds.
 */
export function integerProduct(
  a: ArrayLike<number>,
  b: Quantized,
  m: number,
  n: number,
  k: number,
  transB: boolean,
): Float32Array {
  const { fround } = Math;
  const { bytes, scales } = b;
  invariant(b.type === 'INT8' && scales !== null, 'whole numbers are INT8');
  const c = new Float32Array(m * n);
  for (let row = 0; row < m; row++) {
    const numbers = Float32Array.from({ length: k }, (_, i) =>
      transB ? a[row * k + i] : fround(a[row * k + i]) * scales[i],
    );
    const largest = numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const inverse = fround(127 / largest);
    const codes = numbers.map((x) =>
      Number.isFinite(inverse) ? nearestEven(fround(x * inverse)) : 0,
    );
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let i = 0; i < k; i++) {
        sum += codes[i] * ((bytes[transB ? column * k + i : i * n + column] << 24) >> 24);
      }
      const scaled = fround(sum) * fround(largest / 127);
      c[row * n + column] = transB ? fround(scaled) * scales[column] : scaled;
    }
  }
  return c;
}

function nearestEven(x: number): number {
  const magic = 1.5 * 2 ** 52;
  return x + magic - magic;
}

/** A side so short is that of a low-rank product, which moves more than it multiplies. */
const thin = 64;

function gemmRate(b: unknown, m: number, n: number, k: number): string {
  const thinSide = n <= thin ? 'n' : k <= thin ? 'k' : m <= thin ? 'm' : null;
  return `gemm ${storageOf(b)} ${thinSide === null ? 'wide' : `thin-${thinSide}`}`;
}

/** Billions of operations a second (a multiply-add is two) in registers, on all threads: the best burst within `seconds`. */
export const peakProbe = kernel(
  'peakProbe',
  (_seconds: number, _kind: 'f32' | 'bf16' | 'int8' = 'f32'): number => {
    throw new Error('the peak of the machine is measured in Rust only');
  },
);
