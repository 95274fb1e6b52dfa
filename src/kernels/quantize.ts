/**
 * @file Numbers into codes: NF4 and FP4 as bitsandbytes makes them (Dettmers et al. 2023, arXiv:2305.14314, section 3), their
 * scales in eight bits, and rows of signed bytes (Dettmers et al. 2022, arXiv:2208.07339, section 2.1).
 */
import { type BlockType, codebooks, numberAt } from './blocks.ts';
import { kernel } from './kernel.ts';
import { type FourBitType, fourBitBlock, nestedBlock } from './quantized.ts';

const { abs, fround, max, min } = Math;

/** Between neighbors in order; a number on a bound belongs to the lower one. */
const boundsOf = (values: ArrayLike<number>): number[] =>
  Array.from({ length: values.length - 1 }, (_, i) =>
    fround(fround(values[i] + values[i + 1]) / 2),
  );
const place = (bounds: readonly number[], x: number): number =>
  bounds.reduce((count, bound) => count + (x > bound ? 1 : 0), 0);

const least = fround(1e-38);

/** A block's largest magnitude, and its numbers over it: a short block divides where a whole one multiplies. */
function scaledDown(x: Float32Array, size: number): { scale: number; scaled: Float32Array } {
  const scale = x.reduce((most, each) => max(most, abs(each)), 0);
  const divisor = max(scale, least);
  const factor = fround(1 / divisor);
  const over = (each: number): number => fround(x.length === size ? each * factor : each / divisor);
  return { scale, scaled: x.map((each) => max(-1, min(1, over(each)))) };
}

const decoded = (
  bytes: ArrayBufferView,
  type: BlockType,
  from: number,
  to: number,
): Float32Array => {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: to - from }, (_, i) => numberAt(data, type, from + i));
};

/**
 * The first `length` numbers of `bytes`, stored as `source` says, in codes of four bits, two a byte with the first above, and
 * a scale for each 64. Bit-equal with bitsandbytes.
 */
export const quantizeFourBit = kernel(
  'quantizeFourBit',
  (
    bytes: ArrayBufferView,
    source: BlockType,
    length: number,
    target: FourBitType,
    codes: Uint8Array,
    scales: Float32Array,
  ): void => {
    const values = codebooks[target];
    const order = [...values.keys()].sort((a, b) => values[a] - values[b]);
    const bounds = boundsOf(order.map((code) => values[code]));
    for (let at = 0; at < length; at += fourBitBlock) {
      const x = decoded(bytes, source, at, min(at + fourBitBlock, length));
      const { scale, scaled } = scaledDown(x, fourBitBlock);
      scales[at / fourBitBlock] = x.length === fourBitBlock ? scale : max(scale, least);
      for (let i = 0; i < x.length; i += 2) {
        const [first, second] = [scaled[i], scaled[i + 1] ?? 0];
        codes[(at + i) / 2] = (order[place(bounds, first)] << 4) | order[place(bounds, second)];
      }
    }
  },
  { bits: true },
);

/** Scales in eight bits: the place of (scale − offset) / second[i / 256] among `map`, the nearest. */
export const nestScales = kernel(
  'nestScales',
  (
    scales: Float32Array,
    offset: number,
    map: Float32Array,
    codes: Uint8Array,
    second: Float32Array,
  ): void => {
    const bounds = boundsOf(map);
    for (let at = 0; at < scales.length; at += nestedBlock) {
      const x = scales.subarray(at, at + nestedBlock).map((scale) => scale - offset);
      const { scale, scaled } = scaledDown(x, nestedBlock);
      second[at / nestedBlock] = scale;
      for (const [i, each] of scaled.entries()) codes[at + i] = place(bounds, each);
    }
  },
);

/** To nearest, halves to even. */
function rounded(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** Rows of `columns` numbers as signed bytes, and the largest magnitude of each / 127; there is a scale for each row. */
export const quantizeRows = kernel(
  'quantizeRows',
  (
    bytes: ArrayBufferView,
    source: BlockType,
    columns: number,
    codes: Uint8Array,
    scales: Float32Array,
  ): void => {
    for (const row of scales.keys()) {
      const x = decoded(bytes, source, row * columns, (row + 1) * columns);
      const largest = x.reduce((most, each) => max(most, abs(each)), 0);
      scales[row] = largest / 127;
      const factor = largest > 0 ? fround(127 / largest) : 0;
      for (const [i, each] of x.entries())
        codes[row * columns + i] = rounded(fround(each * factor));
    }
  },
  { bits: true },
);

/** torch.linspace(0.1, 1, count + 1) in f32, and the middles of neighbors. */
function middles(count: number): number[] {
  const [start, end] = [fround(0.1), 1];
  const step = fround(fround(end - start) / count);
  const at = (i: number): number =>
    i < (count + 1) / 2 ? fround(start + step * i) : fround(end - step * (count - i));
  return Array.from({ length: count }, (_, i) => fround(fround(at(i) + at(i + 1)) / 2));
}

/**
 * The 256 values of a scale in eight bits: seven decades, each with twice the values of the one below (Dettmers 2016,
 * arXiv:1511.04561, section 2.1).
 */
export const dynamicMap: Float32Array = Float32Array.from(
  [
    0,
    1,
    ...Array.from({ length: 7 }, (_, i) => {
      const decade = fround(10 ** (i - 6));
      return middles(2 ** i).flatMap((middle) => [decade * middle, -decade * middle]);
    }).flat(),
  ].sort((a, b) => a - b),
);
