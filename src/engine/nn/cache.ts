/**
 * @file Keys and values of what a session has read, by layer. A token's row lies where it was put until it is forgotten:
 * nothing moves as a sequence grows. Whose rows they are is told by who makes a pass (Kwon et al. 2023, arXiv:2309.06180).
 */
import { copy } from '../../kernels/copy.ts';
import { putRows } from '../../kernels/rows.ts';
import type { Memory, Space } from '../memory.ts';
import type { KeyRanges } from '../ops/attention.ts';
import type { Dtype, Tensor } from '../tensor.ts';

/** The cache as one pass sees it. */
export type PassCache = {
  layer(index: number): LayerCache;
};

export type LayerCache = {
  /** Puts the new rows in their places. k, v: [T, K, E] → all rows that there are, [rows, K, E], and who sees which. */
  append(
    k: Tensor,
    v: Tensor,
  ): { readonly keys: Tensor; readonly values: Tensor; readonly ranges: KeyRanges };
};

type LayerStore = { readonly keys: Space; readonly values: Space };

export class Cache {
  /** Tokens that there is room for. */
  readonly rows: number;
  /** Rows up to which memory was ever needed: it counts up to there. */
  private claimed = 0;
  /** Undefined is the storage of the keys that come. */
  private readonly dtype: Dtype | undefined;
  private readonly memory: Memory;
  private readonly stores: LayerStore[] = [];

  constructor(memory: Memory, rows: number, dtype?: Dtype) {
    this.memory = memory;
    this.rows = rows;
    this.dtype = dtype;
  }

  /** Rows below `rows` are about to be used. */
  claim(rows: number): void {
    if (rows <= this.claimed) return;
    this.claimed = rows;
    for (const { keys, values } of this.stores) {
      keys.claim(rows);
      values.claim(rows);
    }
  }

  /** For a pass whose tokens go to `rows`, [T], and whose sequences see the rows of `ranges`. */
  pass(rows: Int32Array, ranges: KeyRanges): PassCache {
    return {
      layer: (index) => ({
        append: (k, v) => {
          const { keys, values } = this.store(index, k, v);
          putRows.run(k.data, rows, keys.tensor.data);
          putRows.run(v.data, rows, values.tensor.data);
          return { keys: keys.tensor, values: values.tensor, ranges };
        },
      }),
    };
  }

  /** Copies `count` rows of every layer. */
  copy(from: number, to: number, count: number): void {
    for (const { keys, values } of this.stores) {
      for (const { data, width, shape } of [keys.tensor, values.tensor]) {
        const row = width * shape[1];
        const rows = (first: number) => data.subarray(first * row, (first + count) * row);
        copy.run(rows(from), rows(to));
      }
    }
  }

  release(): void {
    for (const { keys, values } of this.stores) {
      keys.tensor.buffer.release();
      values.tensor.buffer.release();
    }
    this.stores.length = 0;
  }

  private store(index: number, k: Tensor, v: Tensor): LayerStore {
    this.stores[index] ??= { keys: this.space(k), values: this.space(v) };
    return this.stores[index];
  }

  private space({ shape, dtype }: Tensor): Space {
    const space = this.memory.cache.space([this.rows, ...shape.slice(1)], this.dtype ?? dtype);
    space.claim(this.claimed);
    return space;
  }
}
