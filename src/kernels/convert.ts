/** @file Numbers between the storages of files (SafeTensors, GGUF) and those of the engine. */
import { decodeBf16, encodeBf16 } from './bf16.ts';
import { type FloatArray, kernel } from './kernel.ts';

export type FloatType = 'F32' | 'F16' | 'BF16';
/** The block types of GGUF that can be read. */
export type BlockType = FloatType | 'Q4_1' | 'Q8_0';

/** Elements and bytes of a block: of one number where the type is not quantized. */
export const blockSizes: Readonly<Record<BlockType, { elements: number; bytes: number }>> = {
  F32: { elements: 1, bytes: 4 },
  F16: { elements: 1, bytes: 2 },
  BF16: { elements: 1, bytes: 2 },
  Q4_1: { elements: 32, bytes: 20 },
  Q8_0: { elements: 32, bytes: 34 },
};

const view = (bytes: ArrayBufferView): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Decodes little-endian numbers; bytes may start anywhere. */
export const toF32 = kernel(
  'toF32',
  (bytes: ArrayBufferView, dtype: FloatType, y: FloatArray): void => decode(bytes, dtype, y),
  { bits: true },
);

/** Decodes the blocks of a GGUF tensor; bit-equal with llama.cpp. */
export const dequantize = kernel(
  'dequantize',
  (bytes: ArrayBufferView, type: BlockType, y: FloatArray): void => decode(bytes, type, y),
  { bits: true },
);

function decode(bytes: ArrayBufferView, type: BlockType, y: FloatArray): void {
  const data = view(bytes);
  const { elements, bytes: size } = blockSizes[type];
  for (let i = 0; i < y.length; i++) {
    const at = Math.floor(i / elements) * size;
    y[i] = decoders[type](data, at, i % elements);
  }
}

/** The number at place `i` of the block that begins at `at`. */
const decoders: Record<BlockType, (data: DataView, at: number, i: number) => number> = {
  F32: (data, at) => data.getFloat32(at, true),
  F16: (data, at) => data.getFloat16(at, true),
  BF16: (data, at) => decodeBf16(data.getUint16(at, true)),
  Q8_0: (data, at, i) => data.getInt8(at + 2 + i) * data.getFloat16(at, true),
  Q4_1: (data, at, i) => {
    const byte = data.getUint8(at + 4 + (i % 16));
    const product = (i < 16 ? byte & 15 : byte >> 4) * data.getFloat16(at, true);
    return Math.fround(product) + data.getFloat16(at + 2, true);
  },
};

/** To nearest even; a NaN stays one. */
export const toBf16 = kernel(
  'toBf16',
  (x: FloatArray, y: Uint16Array): void => {
    for (let i = 0; i < y.length; i++) y[i] = encodeBf16(x[i]);
  },
  { bits: true },
);

/** IEEE half precision, to nearest even; what is too large becomes infinite. */
export const toF16 = kernel(
  'toF16',
  (x: FloatArray, y: Uint16Array): void => {
    const data = view(y);
    for (let i = 0; i < y.length; i++) data.setFloat16(2 * i, x[i], true);
  },
  { bits: true },
);
