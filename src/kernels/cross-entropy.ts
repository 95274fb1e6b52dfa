/** @file Log-probability of one target a row of logits, and its gradient. */
import { encodeBf16 } from './bf16.ts';
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

/** Gradients of `weights` · logp, to `y` in bf16, or else where the logits were. */
export const crossEntropyBackward = kernel(
  'crossEntropyBackward',
  (
    logits: FloatArray,
    lse: FloatArray,
    targets: Int32Array,
    weights: FloatArray | null,
    y: Uint16Array | null,
  ): void => {
    const width = logits.length / targets.length;
    for (let row = 0; row < targets.length; row++) {
      const w = weights ? weights[row] : 1;
      for (let i = 0; i < width; i++) {
        const p = Math.exp(logits[row * width + i] - lse[row]);
        const gradient = w * ((i === targets[row] ? 1 : 0) - p);
        if (y) y[row * width + i] = encodeBf16(gradient);
        else logits[row * width + i] = gradient;
      }
    }
  },
);
