/** @file Numbers between the storages of files (SafeTensors, GGUF) and those of the engine. */
import { encodeBf16 } from './bf16.ts';
import { type BlockType, type FloatType, numberAt } from './blocks.ts';
import { type FloatArray, kernel } from './kernel.ts';
import type { Quantized } from './quantized.ts';

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
  for (let i = 0; i < y.length; i++) y[i] = numberAt(data, type, i);
}

/** All numbers of a quantized matrix, as f32 or rounded to bf16. */
export const expand = kernel(
  'expand',
  (x: Quantized, y: FloatArray | Uint16Array): void => {
    y.set(y instanceof Uint16Array ? Uint16Array.from(x.numbers(), encodeBf16) : x.numbers());
  },
  { bits: true },
);

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
