/** @file A tensor: contiguous, typed storage with a shape. Only kernels and `read()` look at its data. */
import { invariant } from '../core/errors.ts';
import { expand } from '../kernels/convert.ts';
import type { TensorData } from '../kernels/kernel.ts';
import { Quantized } from '../kernels/quantized.ts';
import type { Buffer } from './memory.ts';
import type { Parameter } from './parameter.ts';
import type { Remake } from './remake.ts';

/** `blocks`: a frozen matrix whose data is `Quantized`. */
export type Dtype = 'f32' | 'bf16' | 'f64' | 'i32' | 'u8' | 'blocks';

/** What the tape knows a value by. Reshaped views of one value share it. */
export type Slot = {
  needsGrad: boolean;
  readonly parameter?: Parameter;
  /** Set where the tape would rather make the value again than keep it. */
  remake?: Remake;
};

export class Tensor {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /** An opaque handle to everyone but kernels: in a frozen weight of dtype `blocks` it is no array but `Quantized`. */
  readonly data: TensorData;
  readonly buffer: Buffer;
  readonly slot: Slot;

  constructor(
    shape: readonly number[],
    dtype: Dtype,
    data: TensorData | Quantized,
    buffer: Buffer,
    slot: Slot = { needsGrad: false },
  ) {
    this.shape = shape;
    this.dtype = dtype;
    // Whoever looks inside has made the tensor, and nobody makes blocks but the loading of models.
    this.data = data as TensorData;
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
    const [first = 1, ...rest] = this.shape;
    return this.reshape([first, rest.reduce((a, b) => a * b, 1)]);
  }

  /** The same memory as another value to the tape: a leaf whose gradient can be asked for. */
  detach(needsGrad = false): Tensor {
    return new Tensor(this.shape, this.dtype, this.data, this.buffer, { needsGrad });
  }

  /** A copy of the values as f64 or f32 numbers. */
  read(): Float32Array | Float64Array {
    const data: TensorData | Quantized = this.data;
    if (data instanceof Float64Array) return data.slice();
    if (data instanceof Quantized) {
      const numbers = new Float32Array(data.length);
      expand.run(data, numbers);
      return numbers;
    }
    if (data instanceof Uint16Array) {
      const words = new Uint32Array(data.length);
      for (let i = 0; i < words.length; i++) words[i] = data[i] << 16;
      return new Float32Array(words.buffer);
    }
    return Float32Array.from(data);
  }

  /** The only value of a scalar. */
  item(): number {
    invariant(this.data.length === 1, `[${this.shape}] is no scalar`);
    return this.read()[0];
  }
}
