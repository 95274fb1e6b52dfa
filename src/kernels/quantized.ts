/**
 * @file A frozen matrix in blocks along its rows: GGUF's types as they lie in the file, bitsandbytes' 4-bit
 * codes (Dettmers et al. 2023, arXiv:2305.14314), or a signed byte a number with a scale a row
 * (Dettmers et al. 2022, arXiv:2208.07339, section 2.1).
 */
import { invariant } from '../core/errors.ts';
import { blockSizes, codebooks, type GgufBlockType, numberAt } from './blocks.ts';

export type FourBitType = keyof typeof codebooks;
export type QuantizedType = GgufBlockType | FourBitType | 'INT8';

/** Numbers that share a scale in bitsandbytes' blocks, and scales that share one of the second level. */
export const fourBitBlock = 64;
export const nestedBlock = 256;

/** Scales of blocks in eight bits each: map[codes[i]] · scales[i / 256] + offset. */
export type NestedScales = {
  readonly codes: Uint8Array;
  /** [256] */
  readonly map: Float32Array;
  readonly scales: Float32Array;
  /** f32 */
  readonly offset: number;
};

type Parts = {
  readonly type: QuantizedType;
  readonly rows: number;
  readonly columns: number;
  /** GGUF's blocks; codes of four bits, the first of two above; signed bytes. */
  readonly bytes: Uint8Array;
  /** NF4, FP4: the largest magnitude of each 64 numbers. INT8: that of each row, / 127. */
  readonly scales?: Float32Array | null;
  readonly nested?: NestedScales | null;
  /** INT8 only: products quantize the other operand's rows too, and multiply whole numbers. */
  readonly integer?: boolean;
};

/** What the kernels know of a matrix. They read it and never write it. */
export class Quantized {
  readonly type: QuantizedType;
  readonly rows: number;
  readonly columns: number;
  readonly bytes: Uint8Array;
  readonly scales: Float32Array | null;
  readonly nested: NestedScales | null;
  readonly integer: boolean;

  constructor({ type, rows, columns, bytes, scales, nested, integer }: Parts) {
    this.type = type;
    this.rows = rows;
    this.columns = columns;
    this.bytes = bytes;
    this.scales = scales ?? null;
    this.nested = nested ?? null;
    this.integer = integer ?? false;
  }

  /** Numbers, as a typed array counts them. */
  get length(): number {
    return this.rows * this.columns;
  }

  /** Bytes of codes and scales. */
  get byteLength(): number {
    const { codes, map, scales } = this.nested ?? {};
    const parts = [this.bytes, this.scales, codes, map, scales];
    return parts.reduce((sum, part) => sum + (part?.byteLength ?? 0), 0);
  }

  /** Whole rows [start / columns, end / columns), as a typed array has elements: no copy. */
  subarray(start = 0, end = this.length): Quantized {
    const { type, columns, integer } = this;
    const { elements, bytes } = layoutOf(type);
    // Codes of four bits run on from row to row, and scales of the second level from block to block.
    const unit = this.nested ? fourBitBlock * nestedBlock : elements;
    const last = end === this.length;
    const whole = start % columns === 0 && end % columns === 0;
    invariant(
      whole && start % unit === 0 && (last || end % unit === 0),
      `rows of ${columns} numbers in blocks of ${unit} do not begin at ${start} or end at ${end}`,
    );
    const scaled = type === 'INT8' ? columns : fourBitBlock;
    const block = (at: number, size: number): number => Math.ceil(at / size);
    const { nested } = this;
    return new Quantized({
      type,
      rows: (end - start) / columns,
      columns,
      bytes: this.bytes.subarray((start / elements) * bytes, Math.ceil((end / elements) * bytes)),
      scales: this.scales?.subarray(block(start, scaled), block(end, scaled)) ?? null,
      nested: nested && {
        ...nested,
        codes: nested.codes.subarray(block(start, scaled), block(end, scaled)),
        scales: nested.scales.subarray(block(start, unit), block(end, unit)),
      },
      integer,
    });
  }

  /** Number `i`, counted along the rows: the specification of every decoder. */
  at(i: number): number {
    const { type, bytes, columns } = this;
    if (type === 'INT8') {
      invariant(this.scales !== null, 'INT8 has a scale a row');
      return ((bytes[i] << 24) >> 24) * this.scales[Math.floor(i / columns)];
    }
    if (type === 'NF4' || type === 'FP4') {
      const code = i % 2 === 0 ? bytes[i >> 1] >> 4 : bytes[i >> 1] & 15;
      return codebooks[type][code] * this.scaleOf(Math.floor(i / fourBitBlock));
    }
    return numberAt(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), type, i);
  }

  /** The scale of a block of four-bit codes, rounded to f32 after each operation. */
  private scaleOf(block: number): number {
    if (this.nested === null) {
      invariant(this.scales !== null, 'four-bit codes have scales');
      return this.scales[block];
    }
    const { codes, map, scales, offset } = this.nested;
    const product = map[codes[block]] * scales[Math.floor(block / nestedBlock)];
    return Math.fround(Math.fround(product) + offset);
  }

  /** All numbers, one by one: for twins and tests; real work goes through the kernel `expand`. */
  numbers(): Float32Array {
    return Float32Array.from({ length: this.length }, (_, i) => this.at(i));
  }
}

/** Elements and bytes that a type cannot be cut within. */
function layoutOf(type: QuantizedType): { readonly elements: number; readonly bytes: number } {
  if (type === 'INT8') return { elements: 1, bytes: 1 };
  if (type === 'NF4' || type === 'FP4') return { elements: fourBitBlock, bytes: fourBitBlock / 2 };
  return blockSizes[type];
}

/** Bytes of the codes of a matrix, scales not counted but for GGUF's, whose blocks have them. */
export function bytesOfCodes(type: QuantizedType, length: number): number {
  const { elements, bytes } = layoutOf(type);
  return Math.ceil((length / elements) * bytes);
}
