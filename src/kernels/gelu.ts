/** @file GELU: y = x · Φ(x), exact or in its tanh form. Hendrycks & Gimpel 2016, arXiv:1606.08415. */
import { type FloatArray, kernel } from './kernel.ts';

/** The share of a normal distribution below x, exact to f64: a series near zero, a continued fraction beyond. */
function normalBelow(x: number): number {
  const density = Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
  const size = Math.abs(x);
  if (size < 3) {
    let term = x;
    let sum = x;
    for (let n = 3; Math.abs(term) > 1e-17; n += 2) {
      term *= (x * x) / n;
      sum += term;
    }
    return 0.5 + density * sum;
  }
  let fraction = 0;
  for (let n = 100; n > 0; n--) fraction = n / (size + fraction);
  const tail = density / (size + fraction);
  return x < 0 ? tail : 1 - tail;
}

/** Argument of the tanh form's sigmoid, and its slope: ½ · (1 + tanh(u)) = sigmoid(2u). */
const twice = (x: number): number => 2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
const twiceSlope = (x: number): number => 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x ** 2);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

export const geluForward = kernel(
  'geluForward',
  (x: FloatArray, y: FloatArray, tanh: boolean): void => {
    for (let i = 0; i < x.length; i++) {
      y[i] = x[i] * (tanh ? sigmoid(twice(x[i])) : normalBelow(x[i]));
    }
  },
);

export const geluBackward = kernel(
  'geluBackward',
  (dy: FloatArray, x: FloatArray, tanh: boolean, dx: FloatArray): void => {
    for (let i = 0; i < x.length; i++) {
      const s = tanh ? sigmoid(twice(x[i])) : normalBelow(x[i]);
      const slope = tanh
        ? s * (1 - s) * twiceSlope(x[i])
        : Math.exp(-0.5 * x[i] ** 2) / Math.sqrt(2 * Math.PI);
      dx[i] = dy[i] * (s + x[i] * slope);
    }
  },
);
