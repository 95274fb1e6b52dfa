/** @file Sums over a whole buffer, in f64. NaN and infinity go through. */
import { type FloatArray, kernel } from './kernel.ts';

export const sumOfSquares = kernel('sumOfSquares', (x: FloatArray): number => {
  let total = 0;
  for (let i = 0; i < x.length; i++) total += x[i] ** 2;
  return total;
});

export const sum = kernel('sum', (x: FloatArray): number => {
  let total = 0;
  for (let i = 0; i < x.length; i++) total += x[i];
  return total;
});

/** The most that |a − b| is anywhere. A NaN goes through. */
export const largestDifference = kernel(
  'largestDifference',
  (a: FloatArray, b: FloatArray): number => {
    let most = 0;
    for (let i = 0; i < a.length; i++) {
      const difference = Math.abs(a[i] - b[i]);
      if (!(difference <= most)) most = difference;
      if (Number.isNaN(most)) return most;
    }
    return most;
  },
);
