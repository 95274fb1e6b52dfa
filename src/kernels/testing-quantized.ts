/** @file Seeded quantized matrices of every type, for the tests of kernels that take them. */
import { blockSizes, type GgufBlockType } from './blocks.ts';
import {
  bytesOfCodes,
  fourBitBlock,
  nestedBlock,
  Quantized,
  type QuantizedType,
} from './quantized.ts';
import { numbers } from './testing.ts';

/** Where a block's scale and minimum lie, as IEEE halves. */
const halves: Readonly<Record<GgufBlockType, readonly number[]>> = {
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_NL: [0],
  IQ4_XS: [0],
};

export const quantizedTypes: readonly QuantizedType[] = [
  'NF4',
  'FP4',
  'INT8',
  ...(Object.keys(halves) as GgufBlockType[]),
];

/** Columns that rows of a type can have: a multiple of these. */
export const columnsOf = (type: QuantizedType): number =>
  type === 'NF4' || type === 'FP4' || type === 'INT8' ? 1 : blockSizes[type].elements;

const bytes = (length: number, seed: number): Uint8Array =>
  Uint8Array.from(numbers(length, seed, 0, 256));

/** Any bits for codes, scales of a size that keeps the numbers near 1. */
export function randomQuantized(
  type: QuantizedType,
  rows: number,
  columns: number,
  seed: number,
  { nested = false, integer = false } = {},
): Quantized {
  const length = rows * columns;
  const codes = bytes(bytesOfCodes(type, length), seed);
  const matrix = { type, rows, columns, bytes: codes, integer };
  if (type === 'INT8') {
    return new Quantized({
      ...matrix,
      scales: Float32Array.from(numbers(rows, seed + 1, 0.001, 0.01)),
    });
  }
  if (type === 'NF4' || type === 'FP4') {
    const blocks = Math.ceil(length / fourBitBlock);
    const scales = (count: number): Float32Array =>
      Float32Array.from(numbers(count, seed + 1, 0.1, 1));
    if (!nested) return new Quantized({ ...matrix, scales: scales(blocks) });
    return new Quantized({
      ...matrix,
      nested: {
        codes: bytes(blocks, seed + 2),
        map: Float32Array.from(numbers(256, seed + 3)),
        scales: scales(Math.ceil(blocks / nestedBlock)),
        offset: Math.fround(0.3),
      },
    });
  }
  const { elements, bytes: size } = blockSizes[type];
  const data = new DataView(codes.buffer);
  const all = numbers((length / elements) * halves[type].length, seed + 1, -0.01, 0.01);
  let next = 0;
  for (let at = 0; at < codes.length; at += size) {
    for (const half of halves[type]) data.setFloat16(at + half, all[next++], true);
  }
  return new Quantized(matrix);
}
