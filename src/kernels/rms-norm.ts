/** @file RMS norm over rows of `width`: y = x · w / √(mean(x²) + eps). Zhang & Sennrich 2019, arXiv:1910.07467. */
import { type FloatArray, kernel } from './kernel.ts';

/** Writes `y` and, for the backward pass, `rstd` (one per row). In f64 it is the gradient check's oracle. */
export const rmsNormForward = kernel(
  'rmsNormForward',
  <A extends FloatArray>(x: A, weight: A, eps: number, y: A, rstd: A): void => {
    const width = weight.length;
    for (let row = 0; row < rstd.length; row++) {
      const at = row * width;
      let squares = 0;
      for (let i = 0; i < width; i++) squares += x[at + i]! ** 2;
      const r = 1 / Math.sqrt(squares / width + eps);
      for (let i = 0; i < width; i++) y[at + i] = x[at + i]! * r * weight[i]!;
      rstd[row] = r;
    }
  },
);
