/** @file Keys and values of what a session has read, by layer. Sequences have slots of one capacity in one buffer, which grows. */
import { invariant } from '../../core/errors.ts';
import type { Memory } from '../memory.ts';
import type { KeyRanges } from '../ops/attention.ts';
import type { Tensor } from '../tensor.ts';

type LayerStore = { readonly keys: Tensor; readonly values: Tensor };

export type LayerCache = {
  /** Adds the new rows of each sequence, and gives all rows with each sequence's ranges of them. k, v: [T, K, E] */
  append(
    k: Tensor,
    v: Tensor,
    documents: Int32Array,
  ): {
    readonly keys: Tensor;
    readonly values: Tensor;
    readonly ranges: KeyRanges;
  };
};

export class Cache {
  /** Tokens read of each sequence. Moved on by `advance`, after the last layer. */
  readonly lengths: Int32Array;
  /** Tokens that each sequence has room for. */
  private capacity: number;
  private readonly stores: (LayerStore | undefined)[] = [];
  private readonly memory: Memory;

  constructor(memory: Memory, sequences: number, capacity: number) {
    this.memory = memory;
    this.lengths = new Int32Array(sequences);
    this.capacity = capacity;
  }

  layer(index: number): LayerCache {
    return {
      append: (k, v, documents) => {
        const store = this.store(index, k, v);
        const count = this.lengths.length;
        const ranges = new Int32Array(2 * count);
        for (let n = 0; n < count; n++) {
          const added = documents[n + 1] - documents[n];
          const start = n * this.capacity;
          const length = this.lengths[n] + added;
          invariant(length <= this.capacity, 'a sequence outgrew its cache');
          ranges.set([start, length], 2 * n);
          const at = start + this.lengths[n];
          copyRows(k, documents[n], documents[n + 1], store.keys, at);
          copyRows(v, documents[n], documents[n + 1], store.values, at);
        }
        const starts = Int32Array.from({ length: count + 1 }, (_, n) => n);
        return { ...store, ranges: { ranges, starts } };
      },
    };
  }

  /** Makes room for `tokens` of each sequence, at least twice what there was; what was read stays. */
  reserve(tokens: number): void {
    if (tokens <= this.capacity) return;
    const capacity = Math.max(tokens, 2 * this.capacity);
    for (const [index, store] of this.stores.entries()) {
      if (store === undefined) continue;
      const { keys, values } = store;
      this.stores[index] = {
        keys: this.moved(keys, capacity),
        values: this.moved(values, capacity),
      };
    }
    this.capacity = capacity;
  }

  /** Counts the new tokens as read: once all layers have seen them. */
  advance(documents: Int32Array): void {
    for (let n = 0; n < this.lengths.length; n++) {
      this.lengths[n] += documents[n + 1] - documents[n];
    }
  }

  /** Forgets what came after `length` tokens of each sequence. */
  truncate(lengths: ArrayLike<number>): void {
    for (let n = 0; n < this.lengths.length; n++) {
      this.lengths[n] = Math.min(this.lengths[n], lengths[n]);
    }
  }

  release(): void {
    for (const store of this.stores) {
      store?.keys.buffer.release();
      store?.values.buffer.release();
    }
    this.stores.length = 0;
  }

  private moved(from: Tensor, capacity: number): Tensor {
    const sequences = this.lengths.length;
    const to = this.memory.cache.keep([sequences * capacity, ...from.shape.slice(1)], from.dtype);
    for (let n = 0; n < sequences; n++) {
      const start = n * this.capacity;
      copyRows(from, start, start + this.lengths[n], to, n * capacity);
    }
    from.buffer.release();
    return to;
  }

  private store(index: number, k: Tensor, v: Tensor): LayerStore {
    const rows = this.lengths.length * this.capacity;
    this.stores[index] ??= {
      keys: this.memory.cache.keep([rows, ...k.shape.slice(1)], k.dtype),
      values: this.memory.cache.keep([rows, ...v.shape.slice(1)], v.dtype),
    };
    return this.stores[index];
  }
}

function copyRows(from: Tensor, start: number, end: number, to: Tensor, at: number): void {
  const width = from.data.length / from.shape[0];
  to.data.set(from.data.subarray(start * width, end * width), at * width);
}
