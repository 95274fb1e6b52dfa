/**
 * @file How files and frozen weights store numbers: plain floats, the blocks of GGUF as llama.cpp lays them out
 * (ggml-quants.c), and the codebooks of bitsandbytes (Dettmers et al. 2023, arXiv:2305.14314, appendix E).
 */
import { decodeBf16 } from './bf16.ts';

export type FloatType = 'F32' | 'F16' | 'BF16';
/** The quantized types of GGUF that can be read. */
export type GgufBlockType =
  | `Q${4 | 5}_${0 | 1}`
  | 'Q8_0'
  | `Q${2 | 3 | 4 | 5 | 6}_K`
  | 'IQ4_NL'
  | 'IQ4_XS';
/** What the bytes of a file can hold. */
export type BlockType = FloatType | GgufBlockType;

type Format = {
  /** Elements and bytes of a block: of one number where the type is not quantized. */
  readonly elements: number;
  readonly bytes: number;
  /** The number at place `i` of the block that begins at `at`: each product and each sum rounded to f32. */
  readonly number: (data: DataView, at: number, i: number) => number;
};

const { fround } = Math;
const half = (data: DataView, at: number): number => data.getFloat16(at, true);
/** Of 16 bytes: the low halves come first. */
const four = (data: DataView, at: number, i: number): number => {
  const byte = data.getUint8(at + (i % 16));
  return i < 16 ? byte & 15 : byte >> 4;
};
const bit = (data: DataView, at: number, i: number): number => (data.getUint8(at) >> i) & 1;
/** Bit `i` of the bytes from `at` on. */
const bitOf = (data: DataView, at: number, i: number): number => bit(data, at + (i >> 3), i & 7);

/** One scale, one minimum where `minimum` says so, then whole numbers. */
const simple = (
  bytes: number,
  minimum: boolean,
  code: (data: DataView, at: number, i: number) => number,
): Format => ({
  elements: 32,
  bytes,
  number(data, at, i) {
    const product = fround(code(data, at, i) * half(data, at));
    return minimum ? product + half(data, at + 2) : product;
  },
});

/** In each half of a K block, `run` 0 to 3 has its two bits in the same 32 bytes. */
const two = (data: DataView, at: number, i: number): number => {
  const [side, run] = [i >> 7, (i >> 5) & 3];
  return (data.getUint8(at + 32 * side + (i & 31)) >> (2 * run)) & 3;
};
/** Of 128 bytes: 32 numbers in the low halves, then 32 in the high ones, four times. */
const pairs = (data: DataView, at: number, i: number): number => {
  const byte = data.getUint8(at + 32 * (i >> 6) + (i & 31));
  return i & 32 ? byte >> 4 : byte & 15;
};

/** The scale and the minimum of each of eight groups, six bits each in 12 bytes. */
function scaleAndMinimum(data: DataView, at: number, group: number): readonly [number, number] {
  const byte = (i: number): number => data.getUint8(at + i);
  if (group < 4) return [byte(group) & 63, byte(group + 4) & 63];
  const both = byte(group + 4);
  return [(both & 15) | ((byte(group - 4) >> 6) << 4), (both >> 4) | ((byte(group) >> 6) << 4)];
}

const withMinima = (
  bytes: number,
  code: (data: DataView, at: number, i: number) => number,
): Format => ({
  elements: 256,
  bytes,
  number(data, at, i) {
    const [scale, minimum] = scaleAndMinimum(data, at + 4, i >> 5);
    const product = fround(fround(half(data, at) * scale) * code(data, at, i));
    return product - fround(half(data, at + 2) * minimum);
  },
});

const nonLinear = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

const formats: Readonly<Record<BlockType, Format>> = {
  F32: { elements: 1, bytes: 4, number: (data, at) => data.getFloat32(at, true) },
  F16: { elements: 1, bytes: 2, number: half },
  BF16: { elements: 1, bytes: 2, number: (data, at) => decodeBf16(data.getUint16(at, true)) },
  Q4_0: simple(18, false, (data, at, i) => four(data, at + 2, i) - 8),
  Q4_1: simple(20, true, (data, at, i) => four(data, at + 4, i)),
  Q5_0: simple(22, false, (data, at, i) => {
    return (four(data, at + 6, i) | (bitOf(data, at + 2, i) << 4)) - 16;
  }),
  Q5_1: simple(24, true, (data, at, i) => four(data, at + 8, i) | (bitOf(data, at + 4, i) << 4)),
  Q8_0: simple(34, false, (data, at, i) => data.getInt8(at + 2 + i)),
  Q2_K: {
    elements: 256,
    bytes: 84,
    number(data, at, i) {
      const both = data.getUint8(at + (i >> 4));
      const scale = fround(half(data, at + 80) * (both & 15));
      return fround(scale * two(data, at + 16, i)) - fround(half(data, at + 82) * (both >> 4));
    },
  },
  Q3_K: {
    elements: 256,
    bytes: 110,
    number(data, at, i) {
      const group = i >> 4;
      const low = (data.getUint8(at + 96 + (group & 7)) >> (4 * (group >> 3))) & 15;
      const high = (data.getUint8(at + 104 + (group & 3)) >> (2 * (group >> 2))) & 3;
      const scale = fround(half(data, at + 108) * ((low | (high << 4)) - 32));
      // A high bit that is not set counts minus four.
      return scale * (two(data, at + 32, i) + 4 * bit(data, at + (i & 31), i >> 5) - 4);
    },
  },
  Q4_K: withMinima(144, (data, at, i) => pairs(data, at + 16, i)),
  Q5_K: withMinima(176, (data, at, i) => {
    return pairs(data, at + 48, i) | (bit(data, at + 16 + (i & 31), i >> 5) << 4);
  }),
  Q6_K: {
    elements: 256,
    bytes: 210,
    number(data, at, i) {
      const byte = data.getUint8(at + 64 * (i >> 7) + (i & 63));
      const low = i & 64 ? byte >> 4 : byte & 15;
      const scale = fround(half(data, at + 208) * data.getInt8(at + 192 + (i >> 4)));
      return scale * ((low | (two(data, at + 128, i) << 4)) - 32);
    },
  },
  IQ4_NL: simple(18, false, (data, at, i) => nonLinear[four(data, at + 2, i)]),
  IQ4_XS: {
    elements: 256,
    bytes: 136,
    number(data, at, i) {
      const group = i >> 5;
      const low = (data.getUint8(at + 4 + (group >> 1)) >> (4 * (group & 1))) & 15;
      const high = (data.getUint16(at + 2, true) >> (2 * group)) & 3;
      const scale = fround(half(data, at) * ((low | (high << 4)) - 32));
      return scale * nonLinear[four(data, at + 8 + 16 * group, i & 31)];
    },
  },
};

/** Elements and bytes of a block of each type. */
export const blockSizes: Readonly<Record<BlockType, Pick<Format, 'elements' | 'bytes'>>> = formats;

export const isFloatType = (type: string): type is FloatType =>
  type === 'F32' || type === 'F16' || type === 'BF16';

/** Number `i` of a run of blocks. */
export function numberAt(data: DataView, type: BlockType, i: number): number {
  const { elements, bytes, number } = formats[type];
  return number(data, Math.floor(i / elements) * bytes, i % elements);
}

const f32OfBits = (bits: readonly number[]): Float32Array =>
  new Float32Array(Uint32Array.from(bits).buffer);

/** What a code of four bits stands for, times its block's scale; f32. */
export const codebooks = {
  /** Quantiles of a normal distribution. */
  NF4: f32OfBits([
    0xbf800000, 0xbf3239b1, 0xbf066b30, 0xbeca32a0, 0xbe91a24d, 0xbe3d353f, 0xbdba7871, 0x00000000,
    0x3da2faff, 0x3e24cae3, 0x3e7c04dd, 0x3ead033a, 0x3ee1a4b8, 0x3f1007ab, 0x3f3913b3, 0x3f800000,
  ]),
  /** A sign, two bits of exponent, one of mantissa. */
  FP4: Float32Array.of(
    ...[0, 0.0052083335, 0.6666667, 1, 0.33333334, 0.5, 0.16666667, 0.25],
    ...[-0, -0.0052083335, -0.6666667, -1, -0.33333334, -0.5, -0.16666667, -0.25],
  ),
} as const;
