/**
 * @file Memory by class: every allocation is counted, pooled, and goes back at the end of the scope
 * that made it unless a result or a tape still holds it. Nothing waits for the garbage collector.
 */
import { invariant } from '../core/errors.ts';
import type { TensorData } from '../kernels/kernel.ts';
import { allocate, dropPages } from '../native/memory.ts';
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

/** What a pool gives. Quantized matrices are made of several tensors of bytes and numbers. */
const bytesOf: Readonly<Record<Dtype, number>> = {
  f64: 8,
  f32: 4,
  i32: 4,
  bf16: 2,
  u8: 1,
  blocks: Number.NaN,
};

function view(storage: ArrayBuffer, at: number, dtype: Dtype, length: number): TensorData {
  switch (dtype) {
    case 'f32':
      return new Float32Array(storage, at, length);
    case 'f64':
      return new Float64Array(storage, at, length);
    case 'bf16':
      return new Uint16Array(storage, at, length);
    case 'i32':
      return new Int32Array(storage, at, length);
    case 'u8':
      return new Uint8Array(storage, at, length);
    case 'blocks':
      throw new Error('invariant: blocks are made by whoever knows their layout');
  }
}

/** A piece of memory with the number of its holders: a scope, a tape's `saved`, a gradient slot. */
export class Buffer {
  holds = 1;
  private readonly giveBack: () => void;

  constructor(giveBack: () => void) {
    this.giveBack = giveBack;
  }

  hold(): void {
    this.holds++;
  }

  release(): void {
    invariant(this.holds > 0, 'a buffer was released twice');
    this.holds--;
    if (this.holds === 0) this.giveBack();
  }
}

type Hole = { start: number; size: number };

/** A stretch of address space; pages of it count once they are touched. Holes are sorted, and never side by side. */
type Chunk = {
  readonly storage: ArrayBuffer;
  /** Where it begins in its storage: what holes count from. */
  readonly base: number;
  readonly holes: Hole[];
  touched: number;
};

const chunkBytes = 2 ** 32;
const align = 1024;

/** What a memory takes its address space with. */
export type Allocate = (bytes: number) => ArrayBuffer;

/** Takes as much address space as there is, `atLeast` so much. */
function takeMost(wanted: number, atLeast: number, take: Allocate): ArrayBuffer {
  for (let size = Math.max(wanted, atLeast); ; size = Math.max(size / 4, atLeast)) {
    try {
      return take(size);
    } catch (error) {
      if (size === atLeast) throw error;
    }
  }
}

/** Gives [start, start + size) back and joins it with the holes beside it. */
function fillHole({ holes }: Chunk, start: number, size: number): void {
  let [low, high] = [0, holes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holes[middle].start < start) low = middle + 1;
    else high = middle;
  }
  const before = holes[low - 1];
  const after = holes[low];
  const joinsBefore = before !== undefined && before.start + before.size === start;
  const joinsAfter = after !== undefined && start + size === after.start;
  if (joinsBefore && joinsAfter) {
    before.size += size + after.size;
    holes.splice(low, 1);
  } else if (joinsBefore) {
    before.size += size;
  } else if (joinsAfter) {
    after.start = start;
    after.size += size;
  } else {
    holes.splice(low, 0, { start, size });
  }
}

/** Address space for rows, of which only those count that were claimed. */
export type Space = {
  readonly tensor: Tensor;
  /** From now on the first `rows` are in use. */
  claim(rows: number): void;
};

/** One class of memory. `like` and `tensor` give uninitialized memory that belongs to the open scope. */
export class Pool {
  /** Bytes in use, and the most there ever were. */
  inUse = 0;
  peak = 0;
  private readonly chunks: Chunk[] = [];
  private readonly memory: Memory;
  /** Bytes of spaces that were claimed. */
  private claimed = 0;
  /** What goes back here goes back to the system: it is not taken again each micro-batch. */
  private readonly lasting: boolean;

  constructor(memory: Memory, { lasting = false } = {}) {
    this.memory = memory;
    this.lasting = lasting;
  }

  /** Bytes of the process that are this pool's: all that was ever touched, holes between tensors included. */
  get reserved(): number {
    if (this.lasting) return this.inUse;
    return this.chunks.reduce((sum, { touched }) => sum + touched, this.claimed);
  }

  /** [shape] of `dtype`, uninitialized, given back at the end of the open scope. */
  tensor(shape: readonly number[], dtype: Dtype): Tensor {
    const length = shape.reduce((a, b) => a * b, 1);
    const size = Math.max(align, Math.ceil((length * bytesOf[dtype]) / align) * align);
    const { chunk, start } = this.take(size);
    this.inUse += size;
    this.peak = Math.max(this.peak, this.inUse);
    const buffer = new Buffer(() => {
      this.inUse -= size;
      if (this.lasting) dropPages(new Uint8Array(chunk.storage, chunk.base + start, size));
      fillHole(chunk, start, size);
    });
    this.memory.own(buffer);
    return new Tensor(shape, dtype, view(chunk.storage, chunk.base + start, dtype, length), buffer);
  }

  like(x: Tensor): Tensor {
    return this.tensor(x.shape, x.dtype);
  }

  /** As `tensor`, but it stays until `buffer.release()`, whatever scope is open. */
  keep(shape: readonly number[], dtype: Dtype): Tensor {
    return this.memory.outside(() => this.tensor(shape, dtype));
  }

  /**
   * Room for [rows, …] that fills up slowly and never moves: what is not claimed yet takes address space only.
   * It stays until `tensor.buffer.release()`, which gives its pages back to the system.
   */
  space(shape: readonly number[], dtype: Dtype): Space {
    const length = shape.reduce((a, b) => a * b, 1);
    const bytes = length * bytesOf[dtype];
    const size = Math.max(align, Math.ceil(bytes / align) * align);
    const { chunk, start } = this.take(size, false);
    const count = (more: number): void => {
      this.claimed += more;
      this.inUse += more;
      this.peak = Math.max(this.peak, this.inUse);
    };
    let own = 0;
    const claim = (rows: number): void => {
      const wanted = (bytes / shape[0]) * rows;
      count(wanted - own);
      own = wanted;
    };
    const buffer = new Buffer(() => {
      claim(0);
      dropPages(new Uint8Array(chunk.storage, chunk.base + start, size));
      fillHole(chunk, start, size);
    });
    const data = view(chunk.storage, chunk.base + start, dtype, length);
    return { tensor: new Tensor(shape, dtype, data, buffer), claim };
  }

  /** The tightest hole: ragged lengths then share one stretch of memory. */
  private take(size: number, touches = true): { chunk: Chunk; start: number } {
    let best: { chunk: Chunk; hole: Hole } | undefined;
    for (const chunk of this.chunks) {
      for (const hole of chunk.holes) {
        if (hole.size >= size && (best === undefined || hole.size < best.hole.size)) {
          best = { chunk, hole };
        }
      }
    }
    if (best === undefined) {
      const chunk = this.memory.chunk(size);
      this.chunks.push(chunk);
      best = { chunk, hole: chunk.holes[0] };
    }
    const { chunk, hole } = best;
    const { start } = hole;
    hole.start += size;
    hole.size -= size;
    if (hole.size === 0) chunk.holes.splice(chunk.holes.indexOf(hole), 1);
    if (touches) chunk.touched = Math.max(chunk.touched, start + size);
    return { chunk, start };
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
  readonly weights = new Pool(this, { lasting: true });
  readonly packed = new Pool(this, { lasting: true });
  readonly trainable = new Pool(this);
  readonly gradients = new Pool(this);
  readonly optimizer = new Pool(this);
  readonly activations = new Pool(this);
  readonly workspace = new Pool(this);
  readonly cache = new Pool(this);
  readonly allocate: Allocate;
  private region: { readonly storage: ArrayBuffer; used: number } | undefined;
  private scopes: Buffer[][] = [];

  constructor(take: Allocate = allocate) {
    this.allocate = take;
  }

  /** Address space for a pool. One buffer serves all: each new one makes the garbage collector think memory is short. */
  chunk(atLeast: number): Chunk {
    const size = Math.max(chunkBytes, atLeast);
    if (this.region === undefined || this.region.used + size > this.region.storage.byteLength) {
      const storage = takeMost(memoryClasses.length * size, atLeast, this.allocate);
      this.region = { storage, used: 0 };
    }
    const { storage, used: base } = this.region;
    const own = Math.min(size, storage.byteLength);
    this.region.used += own;
    return { storage, base, holes: [{ start: 0, size: own }], touched: 0 };
  }

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
