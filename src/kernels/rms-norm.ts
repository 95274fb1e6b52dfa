/** @file RMS norm over rows of `width`: y = x · w / √(mean(x²) + eps). Zhang & Sennrich 2019, arXiv:1910.07467. */
import { type FloatArray, kernel } from './kernel.ts';

/** Writes `y` and, for the backward pass, `rstd` (one per row). In f64 it is the gradient check's oracle. */
export const rmsNormForward = kernel(
  'rmsNormForward',
  (x: FloatArray, weight: FloatArray, eps: number, y: FloatArray, rstd: FloatArray): void => {
    const width = weight.length;
    for (let row = 0; row < rstd.length; row++) {
      const at = row * width;
      let squares = 0;
      for (let i = 0; i < width; i++) squares += x[at + i] ** 2;
      const r = 1 / Math.sqrt(squares / width + eps);
      for (let i = 0; i < width; i++) y[at + i] = x[at + i] * r * weight[i];
      rstd[row] = r;
    }
  },
);

/** With x̂ = x · rstd: dx = rstd · (dy · w − x̂ · mean(dy · w · x̂)), dWeight = Σ over rows of dy · x̂. */
export const rmsNormBackward = kernel(
  'rmsNormBackward',
  (
    dy: FloatArray,
    x: FloatArray,
    weight: FloatArray,
    rstd: FloatArray,
    dx: FloatArray | null,
    dWeight: FloatArray | null,
  ): void => {
    const width = weight.length;
    dWeight?.fill(0);
    for (let row = 0; row < rstd.length; row++) {
      const at = row * width;
      const r = rstd[row];
      let mean = 0;
      for (let i = 0; i < width; i++) mean += (dy[at + i] * weight[i] * x[at + i] * r) / width;
      for (let i = 0; i < width; i++) {
        if (dx) dx[at + i] = r * (dy[at + i] * weight[i] - x[at + i] * r * mean);
        if (dWeight) dWeight[i] += dy[at + i] * x[at + i] * r;
      }
    }
  },
);
