/** @file Log-probability of one target a row of logits, and its gradient. */
import { type FloatArray, kernel } from './kernel.ts';

export const crossEntropyForward = kernel(
  'crossEntropyForward',
  (
    logits: FloatArray,
    targets: Int32Array,
    logp: FloatArray,
    lse: FloatArray,
    argmax: Int32Array | null,
    entropy: FloatArray | null,
  ): void => {
    const width = logits.length / targets.length;
    for (let row = 0; row < targets.length; row++) {
      const z = logits.subarray(row * width, (row + 1) * width);
      let top = 0;
      for (let i = 1; i < width; i++) if (z[i] > z[top]) top = i;
      let total = 0;
      for (let i = 0; i < width; i++) total += Math.exp(z[i] - z[top]);
      lse[row] = z[top] + Math.log(total);
      logp[row] = z[targets[row]] - lse[row];
      if (argmax) argmax[row] = top;
      if (entropy) {
        let h = 0;
        for (let i = 0; i < width; i++) h -= Math.exp(z[i] - lse[row]) * (z[i] - lse[row]);
        entropy[row] = h;
      }
    }
  },
);

export const crossEntropyBackward = kernel(
  'crossEntropyBackward',
  (logits: FloatArray, lse: FloatArray, targets: Int32Array, weights: FloatArray | null): void => {
    const width = logits.length / targets.length;
    for (let row = 0; row < targets.length; row++) {
      const w = weights ? weights[row] : 1;
      for (let i = 0; i < width; i++) {
        const p = Math.exp(logits[row * width + i] - lse[row]);
        logits[row * width + i] = w * ((i === targets[row] ? 1 : 0) - p);
      }
    }
  },
);
