/**
 * @file Matrix products of row-major matrices, C[m, n] = alpha · op(A) · op(B) + beta · C + bias, and the
 * probe of the machine's multiply-add peak that they are measured against.
 */
import { type FloatArray, kernel, storageOf } from './kernel.ts';

/**
 * `transA`: A is stored [k, m]. `transB`: B is stored [n, k], as a Linear's weight is ([out, in]). Each
 * of `a`, `b` and `c` may be f32 or bf16; sums are f32. With `beta` 0, what `c` held is not read.
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
  ): void => {
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        for (let i = 0; i < k; i++) {
          sum +=
            a[transA ? i * m + row : row * k + i] * b[transB ? column * k + i : i * n + column];
        }
        const at = row * n + column;
        c[at] = alpha * sum + (beta === 1 ? c[at] : 0) + (bias === null ? 0 : bias[column]);
      }
    }
  },
  { cost: (_a, b, _c, m, n, k) => ({ flops: 2 * m * n * k, rate: gemmRate(b, m, n, k) }) },
);

/** A side so short is that of a low-rank product, which moves more than it multiplies. */
const thin = 64;

function gemmRate(b: unknown, m: number, n: number, k: number): string {
  const thinSide = n <= thin ? 'n' : k <= thin ? 'k' : m <= thin ? 'm' : null;
  return `gemm ${storageOf(b)} ${thinSide === null ? 'wide' : `thin-${thinSide}`}`;
}

/** GFLOP/s of f32 multiply-adds in registers, on all threads: the best burst within `seconds`. */
export const peakProbe = kernel('peakProbe', (_seconds: number): number => {
  throw new Error('the peak of the machine is measured in Rust only');
});
