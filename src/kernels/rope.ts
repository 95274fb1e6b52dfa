/** @file Rotary position embedding in the rotate-half form of NeoX and Hugging Face. Su et al. 2021, arXiv:2104.09864. */
import { type FloatArray, kernel } from './kernel.ts';

/**
 * Cosine and sine for each position and pair of channels: [T, width of `inverseFrequencies`]. The
 * angle is rounded to f32, as torch has it; `scaling` multiplies both (YaRN's attention factor).
 */
export const ropeTable = kernel(
  'ropeTable',
  (
    positions: Int32Array,
    inverseFrequencies: FloatArray,
    scaling: number,
    cos: FloatArray,
    sin: FloatArray,
  ): void => {
    const half = inverseFrequencies.length;
    for (let t = 0; t < positions.length; t++) {
      for (let i = 0; i < half; i++) {
        const angle = Math.fround(positions[t] * inverseFrequencies[i]);
        cos[t * half + i] = Math.cos(angle) * scaling;
        sin[t * half + i] = Math.sin(angle) * scaling;
      }
    }
  },
);

/**
 * x, y: [T, heads, width]; cos, sin: [T, half]. Channel i < half turns with channel i + half; channels
 * from 2 · half on are copied. `direction` −1 is the backward pass. `y` may be `x`.
 */
export const rope = kernel(
  'rope',
  (
    x: FloatArray,
    cos: FloatArray,
    sin: FloatArray,
    heads: number,
    width: number,
    direction: 1 | -1,
    y: FloatArray,
  ): void => {
    const positions = x.length / (heads * width);
    const half = cos.length / positions;
    for (let t = 0; t < positions; t++) {
      for (let head = 0; head < heads; head++) {
        const at = (t * heads + head) * width;
        for (let i = 0; i < half; i++) {
          const c = cos[t * half + i];
          const s = sin[t * half + i] * direction;
          const [low, high] = [x[at + i], x[at + half + i]];
          y[at + i] = low * c - high * s;
          y[at + half + i] = high * c + low * s;
        }
        for (let i = 2 * half; i < width; i++) y[at + i] = x[at + i];
      }
    }
  },
);
