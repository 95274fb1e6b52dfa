/**
 * @file Products of rows with a weight that lies as it is, y[m, n] = alpha · x · Wᵀ + beta · y + bias: decoding, where the
 * weight is read once for all sequences. A number of y depends on its own row of x alone, and its sum is taken in an order
 * that k alone decides: so a sequence's tokens never depend on its neighbors.
 */
import { type FloatArray, kernel, storageOf } from './kernel.ts';
import { Quantized } from './quantized.ts';

/**
 * x: [m, k], weight: [n, k], y: [m, n], bias: [n]; each f32 or bf16, the weight also `Quantized`; sums are f32. With `beta` 0,
 * what `y` held is not read.
 *
 * GGUF's blocks, and INT8 where it is `integer`, are multiplied in whole numbers: Rust reads x as `readFor` has it, for
 * expanding codes to numbers costs several times what reading them does. For normally distributed x and weights that rounding
 * is 0.5 % of a product (root mean square). NF4, FP4 and other INT8 are expanded, exactly.
 */
export const rowProducts = kernel(
  'rowProducts',
  <A extends FloatArray>(
    x: A,
    weight: A,
    y: A,
    m: number,
    n: number,
    k: number,
    alpha: number,
    beta: 0 | 1,
    bias: A | null,
  ): void => {
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += x[row * k + i] * weight[column * k + i];
        const at = row * n + column;
        y[at] = alpha * sum + (beta === 1 ? y[at] : 0) + (bias === null ? 0 : bias[column]);
      }
    }
  },
  {
    cost: (_x, weight, _y, m, n, k) => ({
      flops: 2 * m * n * k,
      rate: `rowProducts ${formOf(weight)} ${m === 1 ? 'one' : 'some'}`,
    }),
  },
);

const formOf = (weight: unknown): string =>
  weight instanceof Quantized ? weight.type : storageOf(weight);

/** Numbers of x that share a scale beside GGUF's blocks. */
const run = 32;

/**
 * The rows of x, [m, k], as products with this weight read them: whole numbers up to 127 times a scale for
 * each 32 numbers, or for each row; or as they are.
 */
export function readFor(weight: unknown, x: Float32Array, k: number): Float32Array {
  if (!(weight instanceof Quantized)) return x;
  const { type, integer } = weight;
  if (type === 'NF4' || type === 'FP4' || (type === 'INT8' && !integer)) return x;
  const span = type === 'INT8' ? k : run;
  const { fround } = Math;
  return x.map((_, i) => {
    const start = i - (i % span);
    const largest = x.subarray(start, start + span).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const scale = fround(largest / 127);
    const inverse = scale > 0 ? fround(1 / scale) : 0;
    return scale * toNearestEven(fround(x[i] * inverse));
  });
}

function toNearestEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}
