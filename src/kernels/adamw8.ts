/**
 * @file One step of AdamW on one parameter whose moments are kept in 8 bits: blocks of 256 numbers, each a place in a
 * table times the block's largest (Dettmers et al. 2021, arXiv:2110.02861), as bitsandbytes' AdamW8bit keeps them.
 */
import { type FloatArray, kernel } from './kernel.ts';

/** Numbers that share a scale. */
export const momentBlock = 256;

/**
 * The 256 numbers in [-1, 1] (signed) or [0, 1] that a code stands for, ascending: 0, 1, and for each power of ten from
 * 10⁻⁶ to 1 the middles of equal parts of its [0.1, 1], twice as many with each power (section 1.3 of the paper).
 */
export function dynamicMap(signed: boolean): Float32Array {
  const { fround } = Math;
  const values = [0, 1];
  for (let power = 0; power < 7; power++) {
    const parts = 2 ** (signed ? power : power + 1);
    const step = fround(fround(0.9) / parts);
    // As torch.linspace, which counts from either end and rounds once.
    const bound = (i: number): number =>
      fround(i < (parts + 1) / 2 ? fround(0.1) + step * i : 1 - step * (parts - i));
    for (let i = 0; i < parts; i++) {
      const middle = fround(fround(bound(i) + bound(i + 1)) / 2);
      const value = fround(fround(10 ** (power - 6)) * middle);
      values.push(value, ...(signed ? [-value] : []));
    }
  }
  return Float32Array.from(values).sort();
}

const maps = { m: dynamicMap(true), v: dynamicMap(false) };

/** The code of the nearest number of a map; halfway, the lower one. */
function nearest(map: Float32Array, value: number): number {
  let code = 0;
  while (code < 255 && value > Math.fround(Math.fround(map[code] + map[code + 1]) / 2)) code++;
  return code;
}

/** Puts a block's moments into codes, and gives their scale. */
function encode(map: Float32Array, values: readonly number[], codes: Uint8Array): number {
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const [i, value] of values.entries()) {
    codes[i] = nearest(map, scale > 0 ? Math.fround(value * Math.fround(1 / scale)) : 0);
  }
  return scale;
}

/**
 * As `adamw`, with `m` and `v` as codes, and one scale for each 256 of them. The update takes the new moments before
 * they are rounded.
 */
export const adamw8 = kernel(
  'adamw8',
  (
    param: FloatArray,
    grad: FloatArray,
    m: Uint8Array,
    v: Uint8Array,
    mScales: FloatArray,
    vScales: FloatArray,
    lr: number,
    beta1: number,
    beta2: number,
    eps: number,
    weightDecay: number,
    step: number,
    gradScale: number,
  ): void => {
    const size = lr / (1 - beta1 ** step);
    const correction = Math.sqrt(1 - beta2 ** step);
    for (let block = 0; block < mScales.length; block++) {
      const [from, to] = [block * momentBlock, Math.min(param.length, (block + 1) * momentBlock)];
      const moments = { m: [] as number[], v: [] as number[] };
      for (let i = from; i < to; i++) {
        const g = grad[i] * gradScale;
        const mean = maps.m[m[i]] * mScales[block];
        const square = maps.v[v[i]] * vScales[block];
        const newMean = mean + (g - mean) * (1 - beta1);
        const newSquare = square * beta2 + (1 - beta2) * g * g;
        moments.m.push(newMean);
        moments.v.push(newSquare);
        const denominator = Math.sqrt(newSquare) / correction + eps;
        param[i] = param[i] * (1 - lr * weightDecay) - (size * newMean) / denominator;
      }
      mScales[block] = encode(maps.m, moments.m, m.subarray(from, to));
      vScales[block] = encode(maps.v, moments.v, v.subarray(from, to));
    }
  },
);
