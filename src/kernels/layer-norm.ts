/** @file Layer norm over rows of `width`: y = (x − mean) · rstd · w + b. Ba et al. 2016, arXiv:1607.06450. */
import { type FloatArray, kernel } from './kernel.ts';

/** Writes `y` and, for the backward pass, `mean` and `rstd` (one per row). */
export const layerNormForward = kernel(
  'layerNormForward',
  (
    x: FloatArray,
    weight: FloatArray,
    bias: FloatArray | null,
    eps: number,
    y: FloatArray,
    mean: FloatArray,
    rstd: FloatArray,
  ): void => {
    const width = weight.length;
    for (let row = 0; row < rstd.length; row++) {
      const at = row * width;
      let m = 0;
      for (let i = 0; i < width; i++) m += x[at + i] / width;
      let variance = 0;
      for (let i = 0; i < width; i++) variance += (x[at + i] - m) ** 2 / width;
      const r = 1 / Math.sqrt(variance + eps);
      for (let i = 0; i < width; i++) {
        y[at + i] = (x[at + i] - m) * r * weight[i] + (bias?.[i] ?? 0);
      }
      mean[row] = m;
      rstd[row] = r;
    }
  },
);

/** With x̂ = (x − mean) · rstd: dx = rstd · (g − mean(g) − x̂ · mean(g · x̂)) where g = dy · w. */
export const layerNormBackward = kernel(
  'layerNormBackward',
  (
    dy: FloatArray,
    x: FloatArray,
    weight: FloatArray,
    mean: FloatArray,
    rstd: FloatArray,
    dx: FloatArray | null,
    dWeight: FloatArray | null,
    dBias: FloatArray | null,
  ): void => {
    const width = weight.length;
    dWeight?.fill(0);
    dBias?.fill(0);
    for (let row = 0; row < rstd.length; row++) {
      const at = row * width;
      const normed = (i: number): number => (x[at + i] - mean[row]) * rstd[row];
      let plain = 0;
      let turned = 0;
      for (let i = 0; i < width; i++) {
        plain += (dy[at + i] * weight[i]) / width;
        turned += (dy[at + i] * weight[i] * normed(i)) / width;
      }
      for (let i = 0; i < width; i++) {
        if (dx) dx[at + i] = rstd[row] * (dy[at + i] * weight[i] - plain - normed(i) * turned);
        if (dWeight) dWeight[i] += dy[at + i] * normed(i);
        if (dBias) dBias[i] += dy[at + i];
      }
    }
  },
);
