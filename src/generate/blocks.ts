/** @file Blocks of the cache: which are free, how many hold each, and the table that makes a sequence of them. */

/** Rows of one block of the cache, and as many tokens. */
export const blockTokens = 32;

/** Blocks are held by sequences and by what remembers prefixes; one that nobody holds is free. */
export class BlockPool {
  readonly count: number;
  /** Rows of a block. */
  readonly size: number;
  private readonly holders: Uint32Array;
  private readonly freed: number[] = [];
  /** Blocks below it were taken at least once. */
  private fresh = 0;

  constructor(count: number, size = blockTokens) {
    this.count = count;
    this.size = size;
    this.holders = new Uint32Array(count);
  }

  get free(): number {
    return this.freed.length + this.count - this.fresh;
  }

  /** Rows that were ever taken: memory is needed up to there. */
  get rows(): number {
    return this.fresh * this.size;
  }

  /** A block with one holder; undefined where none is free. */
  take(): number | undefined {
    const block = this.freed.pop() ?? (this.fresh < this.count ? this.fresh++ : undefined);
    if (block !== undefined) this.holders[block] = 1;
    return block;
  }

  hold(block: number): void {
    this.holders[block]++;
  }

  release(block: number): void {
    this.holders[block]--;
    if (this.holders[block] === 0) this.freed.push(block);
  }

  holdersOf(block: number): number {
    return this.holders[block];
  }
}

/** A sequence's blocks, in its order. */
export class BlockTable {
  readonly blocks: number[] = [];
  private readonly size: number;

  constructor({ size }: Pick<BlockPool, 'size'>) {
    this.size = size;
  }

  /** Tokens that its blocks hold. */
  get capacity(): number {
    return this.blocks.length * this.size;
  }

  /** The cache's row of the token at `position`. */
  row(position: number): number {
    const within = position % this.size;
    return this.blocks[(position - within) / this.size] * this.size + within;
  }

  /**
   * Writes [first row, rows] of the first `length` tokens as ranges `from`, `from` + 1, …, blocks that lie side by side
   * as one; gives the next range's number.
   */
  writeRanges(length: number, ranges: Int32Array, from: number): number {
    let end = from;
    for (let i = 0; i * this.size < length; i++) {
      const first = this.blocks[i] * this.size;
      const rows = Math.min(this.size, length - i * this.size);
      if (end > from && ranges[2 * end - 2] + ranges[2 * end - 1] === first) {
        ranges[2 * end - 1] += rows;
      } else {
        ranges[2 * end] = first;
        ranges[2 * end + 1] = rows;
        end++;
      }
    }
    return end;
  }
}
