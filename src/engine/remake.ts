/**
 * @file Selective recomputation: the result of a cheap op (a norm, an activation) is not kept for the backward pass, but
 * made again there, from what is kept anyway (Korthikanti et al. 2022, arXiv:2205.05198).
 */
import type { Memory } from './memory.ts';
import type { Tensor } from './tensor.ts';

/** How a value is made again: once for all that need it on the way back, whose last use lets it go. */
export class Remake {
  private holds = 0;
  private made: Tensor | null = null;
  private readonly make: () => Tensor;

  constructor(make: () => Tensor) {
    this.make = make;
  }

  hold(): void {
    this.holds++;
  }

  release(): void {
    this.holds--;
    if (this.holds > 0) return;
    this.made?.buffer.release();
    this.made = null;
  }

  value(memory: Memory): Tensor {
    if (this.made === null) {
      this.made = memory.scope(this.make);
      this.made.buffer.hold();
    }
    return this.made;
  }
}

/** Stands for a tensor among what an op saved. */
export class Again {
  readonly remake: Remake;
  private readonly shape: readonly number[];

  constructor(remake: Remake, shape: readonly number[]) {
    this.remake = remake;
    this.shape = shape;
  }

  tensor(memory: Memory): Tensor {
    return this.remake.value(memory).reshape(this.shape);
  }
}

/** The tensor itself, or what it was made again as. Its holder keeps it. */
export const present = (tensor: Tensor, memory: Memory): Tensor =>
  tensor.slot.remake ? tensor.slot.remake.value(memory).reshape(tensor.shape) : tensor;
