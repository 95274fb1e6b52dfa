/**
 * @file Low-rank factors, which are learned in f32, as products beside bf16 take them: rounded, as torch's autocast has it. A trained
 * weight is not: 50 steps at a learning rate of 1e-5 then end with 5e-2 more loss, as most of a step is less than a bit of bf16.
 */
import { toBf16 } from '../kernels/convert.ts';
import type { Memory } from './memory.ts';
import { session } from './session.ts';
import type { Tensor } from './tensor.ts';

/** Copies that hold for as long as nothing is learned: a step makes each where it is first multiplied with. */
export class RoundedCopies {
  private readonly copies = new Map<Tensor, Tensor>();
  private readonly memory: Memory;

  constructor(memory: Memory) {
    this.memory = memory;
  }

  of(x: Tensor): Tensor {
    const before = this.copies.get(x);
    if (before) return before;
    const copy = rounded(x, this.memory.trainable.keep(x.shape, 'bf16'));
    this.copies.set(x, copy);
    return copy;
  }

  release(): void {
    for (const { buffer } of this.copies.values()) buffer.release();
    this.copies.clear();
  }
}

function rounded(x: Tensor, y: Tensor): Tensor {
  toBf16.run(x.data, y.data);
  return y;
}

/** A or B as products with x take it: in x's storage. What decodes reads it where it lies. */
export function beside(x: Tensor, factor: Tensor, memory: Memory): Tensor {
  const { rounded: copies, decoding } = session();
  if (x.dtype !== 'bf16' || factor.dtype !== 'f32' || decoding) return factor;
  return copies?.of(factor) ?? rounded(factor, memory.workspace.tensor(factor.shape, 'bf16'));
}
