/**
 * @file Memory by class: every allocation is counted, pooled, and goes back at the end of the scope
 * that made it unless a result or a tape still holds it. Nothing waits for the garbage collector.
 */
import { invariant } from '../core/errors.ts';
import type { TensorData } from '../kernels/kernel.ts';
import { allocate } from '../native/memory.ts';
import { type Dtype, Tensor } from './tensor.ts';

export const memoryClasses = [
  'weights',
  'packed',
  'trainable',
  'gradients',
  'optimizer',
  'activations',
  'workspace',
  'cache',
] as const;
export type MemoryClass = (typeof memoryClasses)[number];

const bytesOf: Readonly<Record<Dtype, number>> = { f64: 8, f32: 4, i32: 4, bf16: 2, u8: 1 };

function view(storage: ArrayBuffer, dtype: Dtype, length: number): TensorData {
  switch (dtype) {
    case 'f32':
      return new Float32Array(storage, 0, length);
    case 'f64':
      return new Float64Array(storage, 0, length);
    case 'bf16':
      return new Uint16Array(storage, 0, length);
    case 'i32':
      return new Int32Array(storage, 0, length);
    case 'u8':
      return new Uint8Array(storage, 0, length);
  }
}

/** A piece of memory with the number of its holders: a scope, a tape's `saved`, a gradient slot. */
export class Buffer {
  holds = 1;
  readonly storage: ArrayBuffer;
  private readonly home: Pool | null;

  constructor(storage: ArrayBuffer, home: Pool | null) {
    this.storage = storage;
    this.home = home;
  }

  hold(): void {
    this.holds++;
  }

  release(): void {
    invariant(this.holds > 0, 'a buffer was released twice');
    this.holds--;
    if (this.holds === 0) this.home?.give(this);
  }
}

/** Steps of an eighth: ragged lengths then share buffers, at 12.5 % waste at most. */
function roundUp(bytes: number): number {
  if (bytes <= 4096) return 4096;
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/** One class of memory. `like` and `tensor` give uninitialized memory that belongs to the open scope. */
export class Pool {
  /** Bytes in use, and the most there ever were. */
  inUse = 0;
  peak = 0;
  /** Bytes taken from the system, in use or not. */
  reserved = 0;
  private readonly free = new Map<number, Buffer['storage'][]>();
  private readonly memory: Memory;

  constructor(memory: Memory) {
    this.memory = memory;
  }

  /** [shape] of `dtype`, uninitialized, given back at the end of the open scope. */
  tensor(shape: readonly number[], dtype: Dtype): Tensor {
    const length = shape.reduce((a, b) => a * b, 1);
    const size = roundUp(length * bytesOf[dtype]);
    let storage = this.free.get(size)?.pop();
    if (storage === undefined) {
      storage = allocate(size);
      this.reserved += size;
    }
    this.inUse += size;
    this.peak = Math.max(this.peak, this.inUse);
    const buffer = new Buffer(storage, this);
    this.memory.own(buffer);
    return new Tensor(shape, dtype, view(storage, dtype, length), buffer);
  }

  like(x: Tensor): Tensor {
    return this.tensor(x.shape, x.dtype);
  }

  /** As `tensor`, but it stays until `buffer.release()`, whatever scope is open. */
  keep(shape: readonly number[], dtype: Dtype): Tensor {
    return this.memory.outside(() => this.tensor(shape, dtype));
  }

  give(buffer: Buffer): void {
    const size = buffer.storage.byteLength;
    this.inUse -= size;
    const list = this.free.get(size);
    if (list) list.push(buffer.storage);
    else this.free.set(size, [buffer.storage]);
  }

  /** Forgets the buffers that nobody uses; the system gets them back with the next collection. */
  trim(): void {
    for (const [size, list] of this.free) this.reserved -= size * list.length;
    this.free.clear();
  }
}

/** Every tensor that stands in a layer's result. */
function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap(tensorsIn);
  if (
    value !== null &&
    typeof value === 'object' &&
    Object.getPrototypeOf(value) === Object.prototype
  ) {
    return Object.values(value).flatMap(tensorsIn);
  }
  return [];
}

export class Memory {
  readonly weights = new Pool(this);
  readonly packed = new Pool(this);
  readonly trainable = new Pool(this);
  readonly gradients = new Pool(this);
  readonly optimizer = new Pool(this);
  readonly activations = new Pool(this);
  readonly workspace = new Pool(this);
  readonly cache = new Pool(this);
  private scopes: Buffer[][] = [];

  own(buffer: Buffer): void {
    this.scopes.at(-1)?.push(buffer);
  }

  /** Runs `work`; its buffers go back at the end, but for those of its result, which pass to the outer scope. */
  scope<Result>(work: () => Result): Result {
    const owned: Buffer[] = [];
    this.scopes.push(owned);
    let result: Result | undefined;
    try {
      result = work();
      return result;
    } finally {
      invariant(this.scopes.pop() === owned, 'memory scopes were closed out of order');
      const kept = new Set(tensorsIn(result).map((tensor) => tensor.buffer));
      for (const buffer of owned) {
        if (kept.has(buffer)) this.own(buffer);
        else buffer.release();
      }
    }
  }

  /** Runs `work` with no scope open: what it makes stays until it is released. */
  outside<Result>(work: () => Result): Result {
    const scopes = this.scopes;
    this.scopes = [];
    try {
      return work();
    } finally {
      this.scopes = scopes;
    }
  }

  /** Bytes of each class: in use, at the peak, and taken from the system. */
  account(): Record<MemoryClass, { inUse: number; peak: number; reserved: number }> {
    const entries = memoryClasses.map((name) => {
      const { inUse, peak, reserved } = this[name];
      return [name, { inUse, peak, reserved }] as const;
    });
    return Object.fromEntries(entries) as ReturnType<Memory['account']>;
  }
}
