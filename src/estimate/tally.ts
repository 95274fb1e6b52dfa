/** @file What a stretch of a dry run would have done: kernel calls that cost the same are counted together. */
import type { Cost } from '../kernels/kernel.ts';

export type TallyEntry = { readonly cost: Cost; calls: number };

/** Calls of one key take the same time. */
export const costKey = ({ rate, flops, bytes }: Cost): string => `${rate} ${flops} ${bytes}`;

export class Tally {
  private readonly entries = new Map<string, TallyEntry>();

  add(cost: Cost): void {
    const key = costKey(cost);
    const entry = this.entries.get(key);
    if (entry === undefined) this.entries.set(key, { cost, calls: 1 });
    else entry.calls++;
  }

  merge(other: Tally): void {
    for (const [key, { cost, calls }] of other.entries) {
      const entry = this.entries.get(key);
      if (entry === undefined) this.entries.set(key, { cost, calls });
      else entry.calls += calls;
    }
  }

  [Symbol.iterator](): IterableIterator<TallyEntry> {
    return this.entries.values();
  }

  get calls(): number {
    return this.sum(() => 1);
  }

  get flops(): number {
    return this.sum(({ flops }) => flops);
  }

  get bytes(): number {
    return this.sum(({ bytes }) => bytes);
  }

  /** Σ of a value a call, over all calls. */
  sum(of: (cost: Cost) => number): number {
    let total = 0;
    for (const { cost, calls } of this) total += calls * of(cost);
    return total;
  }
}
