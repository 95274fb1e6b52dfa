/** @file Sums, multiples and column sums. */
import { type FloatArray, kernel } from './kernel.ts';

/** y = a + b; `y` may be either. */
export const add = kernel('add', (a: FloatArray, b: FloatArray, y: FloatArray): void => {
  for (let i = 0; i < y.length; i++) y[i] = a[i] + b[i];
});

/** y += a */
export const addInto = kernel('addInto', (a: FloatArray, y: FloatArray): void => {
  for (let i = 0; i < y.length; i++) y[i] += a[i];
});

/** y = s · x; `y` may be `x`. */
export const scale = kernel('scale', (x: FloatArray, s: number, y: FloatArray): void => {
  for (let i = 0; i < y.length; i++) y[i] = x[i] * s;
});

export const fill = kernel('fill', (y: FloatArray, value: number): void => {
  y.fill(value);
});

/** y = beta · y + s · x by rows. x, y: [n, D], s: [n] */
export const scaleRows = kernel(
  'scaleRows',
  (x: FloatArray, s: FloatArray, y: FloatArray, beta: 0 | 1): void => {
    const width = x.length / s.length;
    for (let i = 0; i < y.length; i++) {
      const product = s[Math.floor(i / width)] * x[i];
      y[i] = beta === 1 ? y[i] + product : product;
    }
  },
);

/** Sum over rows: a bias's gradient. x: [n, D], y: [D] */
export const columnSums = kernel('columnSums', (x: FloatArray, y: FloatArray): void => {
  y.fill(0);
  for (let i = 0; i < x.length; i++) y[i % y.length] += x[i];
});
