/** @file Weights of a model under the names of its Hugging Face checkpoint, read one at a time, wherever they lie. */
import { invariant } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import { missingTensor } from '../files/errors.ts';
import type { RawWeights } from '../files/safetensors.ts';
import { type BlockType, blockSizes, type GgufBlockType, isFloatType } from '../kernels/blocks.ts';
import { dequantize, expand, toBf16 } from '../kernels/convert.ts';
import { copy } from '../kernels/copy.ts';
import { Quantized, type QuantizedType } from '../kernels/quantized.ts';
import { dropPages } from '../native/memory.ts';
import { bnbMatrices } from './bnb-weights.ts';
import { unsupportedDtype } from './errors.ts';

export type ModelWeight = {
  readonly name: string;
  readonly shape: readonly number[];
  /** How its numbers are stored: `F32`, `BF16`, `Q4_1`, `NF4`, … */
  readonly type: BlockType | QuantizedType;
  /** All numbers as f32, or rounded to bf16 (`Uint16Array`). `into` has as many elements as the shape says. */
  read(into: Float32Array | Uint16Array): void;
  /** The numbers, row by row, as floats or GGUF's blocks: the mapped file itself where its rows need no other order. */
  stored(): { readonly type: BlockType; readonly bytes: Uint8Array };
  /** The matrix as its file has it in blocks; null where it is stored as floats. */
  blocks(): Quantized | null;
  /** Gives the mapped pages back to the system, once the weight is held elsewhere. */
  drop(): void;
};

export type ModelWeights = {
  names(): readonly string[];
  has(name: string): boolean;
  /** Throws `files/missing-tensor`. */
  get(name: string): ModelWeight;
};

/** Elements decoded at a time on the way to bf16. */
const pieceElements = 1 << 20;

export const elementsOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Whether a type is one of GGUF's blocks. */
export const isQuantized = (type: string): type is GgufBlockType =>
  Object.hasOwn(blockSizes, type) && !isFloatType(type);

/** A weight that lies as stored blocks; `gather` gives them in another order than the file's. */
export function storedWeight(stored: {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: BlockType;
  readonly bytes: Uint8Array;
  readonly gather?: ((bytes: Uint8Array) => Uint8Array) | undefined;
}): ModelWeight {
  const { name, shape, type, bytes, gather } = stored;
  const ordered = (): Uint8Array => (gather ? gather(bytes) : bytes);
  return {
    name,
    shape,
    type,
    stored: () => ({ type, bytes: ordered() }),
    blocks() {
      const [rows, columns] = shape;
      const isMatrix = shape.length === 2 && isQuantized(type);
      return isMatrix ? new Quantized({ type, rows, columns, bytes: ordered() }) : null;
    },
    read(into) {
      invariant(
        into.length === elementsOf(shape),
        `${name} has the shape [${shape}], not ${into.length} elements`,
      );
      if (into instanceof Float32Array) dequantize.run(ordered(), type, into);
      else readBf16(ordered(), type, into);
    },
    drop() {
      dropPages(bytes);
    },
  };
}

/** A matrix that its checkpoint has in bitsandbytes' blocks. */
function quantizedWeight(name: string, matrix: Quantized, bytes: Uint8Array): ModelWeight {
  const { type, rows, columns } = matrix;
  return {
    name,
    shape: [rows, columns],
    type,
    blocks: () => matrix,
    stored() {
      const numbers = new Float32Array(rows * columns);
      expand.run(matrix, numbers);
      return { type: 'F32', bytes: new Uint8Array(numbers.buffer) };
    },
    read: (into) => expand.run(matrix, into),
    drop() {
      dropPages(bytes);
    },
  };
}

function readBf16(bytes: Uint8Array, type: BlockType, into: Uint16Array): void {
  if (type === 'BF16') {
    copy.run(bytes, new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
    return;
  }
  const { elements, bytes: blockBytes } = blockSizes[type];
  const piece = new Float32Array(Math.min(pieceElements, into.length));
  for (let at = 0; at < into.length; at += piece.length) {
    const count = Math.min(piece.length, into.length - at);
    const start = (at / elements) * blockBytes;
    const end = start + (count / elements) * blockBytes;
    const values = piece.subarray(0, count);
    dequantize.run(bytes.subarray(start, end), type, values);
    toBf16.run(values, into.subarray(at, at + count));
  }
}

/** Weights by name; `where` is what an error about a missing one calls the place. */
export function weightsByName(
  where: string,
  weights: ReadonlyMap<string, () => ModelWeight>,
): ModelWeights {
  const names = [...weights.keys()];
  return {
    names: () => names,
    has: (name) => weights.has(name),
    get(name) {
      const make = weights.get(name);
      if (!make) throw missingTensor(where, name, didYouMean(name, names));
      return make();
    },
  };
}

/** The weights of a SafeTensors folder. */
export function weightsOfFolder(folder: string, raw: RawWeights): ModelWeights {
  const { matrices, parts } = bnbMatrices(folder, raw);
  const weights = new Map<string, () => ModelWeight>();
  for (const name of raw.names()) {
    if (parts.has(name)) continue;
    const blocks = matrices.get(name);
    weights.set(name, () => {
      const { dtype, shape, bytes } = raw.get(name);
      if (blocks) return quantizedWeight(name, blocks(), bytes);
      if (!isFloatType(dtype)) throw unsupportedDtype(folder, name, dtype);
      return storedWeight({ name, shape, type: dtype, bytes });
    });
  }
  return weightsByName(folder, weights);
}
