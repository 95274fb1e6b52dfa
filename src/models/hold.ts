/**
 * @file How the frozen matrices of a model are held in blocks: quantized as they are read (QLoRA, arXiv:2305.14314,
 * section 3), or as their file has them. No matrix is ever whole in f32.
 */
import { Buffer, type Memory } from '../engine/memory.ts';
import { Tensor } from '../engine/tensor.ts';
import { copy } from '../kernels/copy.ts';
import { dynamicMap, nestScales, quantizeFourBit, quantizeRows } from '../kernels/quantize.ts';
import {
  bytesOfCodes,
  type FourBitType,
  fourBitBlock,
  nestedBlock,
  Quantized,
} from '../kernels/quantized.ts';
import { sum } from '../kernels/reduce.ts';
import type { ModelSettings } from './settings.ts';
import { isQuantized, type ModelWeight } from './weights.ts';

/** What becomes of frozen matrices. `INT8` and the four-bit types mean the weights of linear layers but the head's. */
export type Quantization =
  | { readonly to: FourBitType; readonly nested: boolean }
  | { readonly to: 'INT8'; readonly integer: boolean }
  /** Every matrix that its file has in blocks stays so, the embedding and the head among them. */
  | { readonly to: 'stored' };

export function quantizationOf(
  settings: Pick<
    ModelSettings,
    | 'quantization_bit'
    | 'quantization_method'
    | 'quantization_type'
    | 'double_quantization'
    | 'base_compute'
  >,
): Quantization | null {
  if (settings.quantization_method === 'gguf') return { to: 'stored' };
  if (settings.base_compute === 'int8') return { to: 'INT8', integer: true };
  if (settings.quantization_bit === 8) return { to: 'INT8', integer: false };
  if (settings.quantization_bit === null) return null;
  const to = settings.quantization_type === 'fp4' ? 'FP4' : 'NF4';
  return { to, nested: settings.double_quantization };
}

/**
 * A weight in blocks, or null where it is to be held as numbers. What its file has in blocks of bitsandbytes' stays so
 * whatever is asked for, as in Hugging Face's own reader.
 */
export function holdInBlocks(
  weight: ModelWeight,
  how: Quantization | null,
  { isLinear, memory }: { readonly isLinear: boolean; readonly memory: Memory },
): Tensor | null {
  const stored = weight.blocks();
  if (stored !== null && (how?.to === 'stored' || !isGguf(stored))) {
    return holder(memory, (hold) => copied(stored, hold));
  }
  if (how === null || how.to === 'stored' || !isLinear) return null;
  return holder(memory, (hold) => quantized(weight, how, hold, memory));
}

const isGguf = ({ type }: Quantized): boolean => isQuantized(type);

/** Arrays that live as long as the weight. */
type Hold = {
  readonly bytes: (length: number) => Uint8Array;
  readonly floats: (length: number) => Float32Array;
};

function holder(memory: Memory, make: (hold: Hold) => Quantized): Tensor {
  const parts: Tensor[] = [];
  const keep = (length: number, dtype: 'u8' | 'f32'): Tensor => {
    const part = memory.packed.keep([length], dtype);
    parts.push(part);
    return part;
  };
  const matrix = make({
    bytes: (length) => keep(length, 'u8').data as Uint8Array,
    floats: (length) => keep(length, 'f32').data as Float32Array,
  });
  const buffer = new Buffer(() => {
    for (const part of parts) part.buffer.release();
  });
  return new Tensor([matrix.rows, matrix.columns], 'blocks', matrix, buffer);
}

/** The same blocks in memory of our own, so that the file's pages can go. */
function copied(x: Quantized, hold: Hold): Quantized {
  const bytes = hold.bytes(x.bytes.length);
  copy.run(x.bytes, bytes);
  const floats = (from: Float32Array): Float32Array => {
    const to = hold.floats(from.length);
    copy.run(from, to);
    return to;
  };
  const { nested } = x;
  return new Quantized({
    ...x,
    bytes,
    scales: x.scales && floats(x.scales),
    nested: nested && { ...nested, scales: floats(nested.scales) },
  });
}

function quantized(
  weight: ModelWeight,
  how: Exclude<Quantization, { readonly to: 'stored' }>,
  hold: Hold,
  memory: Memory,
): Quantized {
  const [rows, columns] = weight.shape;
  const length = rows * columns;
  const { bytes: source, type } = weight.stored();
  const bytes = hold.bytes(bytesOfCodes(how.to, length));
  const matrix = { type: how.to, rows, columns, bytes };
  if (how.to === 'INT8') {
    const scales = hold.floats(rows);
    quantizeRows.run(source, type, columns, bytes, scales);
    return new Quantized({ ...matrix, scales, integer: how.integer });
  }
  const count = Math.ceil(length / fourBitBlock);
  if (!how.nested) {
    const scales = hold.floats(count);
    quantizeFourBit.run(source, type, length, how.to, bytes, scales);
    return new Quantized({ ...matrix, scales });
  }
  const plain = memory.workspace.keep([count], 'f32');
  quantizeFourBit.run(source, type, length, how.to, bytes, plain.data);
  const nested = {
    codes: hold.bytes(count),
    map: dynamicMap,
    scales: hold.floats(Math.ceil(count / nestedBlock)),
    offset: Math.fround(sum.run(plain.data) / count),
  };
  nestScales.run(plain.data, nested.offset, nested.map, nested.codes, nested.scales);
  plain.buffer.release();
  return new Quantized({ ...matrix, nested });
}
