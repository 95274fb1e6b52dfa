/** @file A tensor: contiguous, typed storage with a shape. Only kernels and `read()` look at its data. */
import { invariant } from '../core/errors.ts';
import type { TensorData } from '../kernels/kernel.ts';
import type { Buffer } from './memory.ts';
import type { Parameter } from './parameter.ts';

export type Dtype = 'f32' | 'bf16' | 'f64' | 'i32' | 'u8';

/** What the tape knows a value by. Reshaped views of one value share it. */
export type Slot = { needsGrad: boolean; readonly parameter?: Parameter };

export class Tensor {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /** An opaque handle to everyone but kernels. */
  readonly data: TensorData;
  readonly buffer: Buffer;
  readonly slot: Slot;

  constructor(
    shape: readonly number[],
    dtype: Dtype,
    data: TensorData,
    buffer: Buffer,
    slot: Slot = { needsGrad: false },
  ) {
    this.shape = shape;
    this.dtype = dtype;
    this.data = data;
    this.buffer = buffer;
    this.slot = slot;
  }

  /** Product of all dimensions but the last. */
  get rows(): number {
    return this.data.length / this.width;
  }

  /** The last dimension. */
  get width(): number {
    return this.shape[this.shape.length - 1] ?? 1;
  }

  /** The same values in another shape: no copy, and the same value to the tape. */
  reshape(shape: readonly number[]): Tensor {
    invariant(
      shape.reduce((a, b) => a * b, 1) === this.data.length,
      `cannot see [${this.shape}] as [${shape}]`,
    );
    return new Tensor(shape, this.dtype, this.data, this.buffer, this.slot);
  }

  /** [T, …] → [T, all the rest]. */
  flatten(): Tensor {
    const first = this.shape[0] ?? 1;
    return this.reshape([first, this.data.length / first]);
  }

  /** The same memory as another value to the tape: a leaf whose gradient can be asked for. */
  detach(needsGrad = false): Tensor {
    return new Tensor(this.shape, this.dtype, this.data, this.buffer, { needsGrad });
  }

  /** A copy of the values as f64 or f32 numbers. */
  read(): Float32Array | Float64Array {
    if (this.data instanceof Float64Array) return this.data.slice();
    if (this.data instanceof Uint16Array) {
      const words = new Uint32Array(this.data.length);
      for (let i = 0; i < words.length; i++) words[i] = this.data[i] << 16;
      return new Float32Array(words.buffer);
    }
    return Float32Array.from(this.data);
  }

  /** The only value of a scalar. */
  item(): number {
    invariant(this.data.length === 1, `[${this.shape}] is no scalar`);
    return this.read()[0];
  }
}
