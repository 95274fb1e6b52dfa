/** @file Dropout whose mask depends on row, position and channel, never on the place in a buffer. */
import { type FloatArray, kernel } from './kernel.ts';
import { philox } from './philox.ts';

/**
 * y = x / (1 − p) where kept, 0 where dropped; x, y: [T, D], `rowIds` and `positions`: [T]. The mask is
 * Philox keyed (seed, purpose) at (row id, position, channel / 4, step), all of them u32. The backward
 * pass is the same call on the gradient. `y` may be `x`.
 */
export const dropout = kernel(
  'dropout',
  (
    x: FloatArray,
    rowIds: Int32Array,
    positions: Int32Array,
    seed: number,
    purpose: number,
    step: number,
    p: number,
    y: FloatArray,
  ): void => {
    const width = x.length / rowIds.length;
    const threshold = Math.floor(p * 2 ** 32);
    for (let t = 0; t < rowIds.length; t++) {
      for (let i = 0; i < width; i++) {
        const words = philox([rowIds[t], positions[t], i >> 2, step], [seed, purpose]);
        y[t * width + i] = words[i & 3] >= threshold ? x[t * width + i] / (1 - p) : 0;
      }
    }
  },
);
