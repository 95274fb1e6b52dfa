/**
 * @file The tape: a list of what was computed, walked backward once. It owns what the ops saved,
 * counted, and lets it go as the walk goes by.
 */
import { invariant } from '../core/errors.ts';
import { add, addInto } from '../kernels/elementwise.ts';
import type { Memory } from './memory.ts';
import { Again } from './remake.ts';
import { type Slot, Tensor } from './tensor.ts';
import { span } from './trace.ts';

/** What an op keeps for its backward pass: tensors are held by the tape, other values are as they are. */
export type Saved = Readonly<Record<string, unknown>>;

/**
 * `needs[i]` false: no work is done for input i. Gives one gradient (or null) for each input, which may be the one that is
 * begun, added to.
 */
export type Backward = (
  dy: Tensor,
  saved: never,
  needs: readonly boolean[],
  memory: Memory,
  begun: readonly (Tensor | null)[],
) => readonly (Tensor | null)[];

type Node = {
  readonly name: string;
  readonly inputs: readonly Slot[];
  readonly output: Slot;
  /** Of the output: later ops may have seen it reshaped, and give its gradient in their shape. */
  readonly shape: readonly number[];
  readonly saved: Saved;
  readonly backward: Backward;
};

type Holder = { hold(): void; release(): void };

/** A node with what keeps its `saved` in memory, and the entries of that which are made again. */
type Held = Node & {
  readonly holders: readonly Holder[];
  readonly remade: readonly (readonly [key: string, again: Again])[];
};

function held(node: Node, selective: boolean): Held {
  const holders: Holder[] = [];
  const remade: [string, Again][] = [];
  let { saved } = node;
  for (const key in saved) {
    const value = saved[key];
    if (value instanceof Tensor) {
      const { remake } = value.slot;
      if (selective && remake) {
        remade.push([key, new Again(remake, value.shape)]);
        // Not even the object stays: what it points to is free to be overwritten.
        saved = { ...saved, [key]: null };
        holders.push(remake);
      } else {
        holders.push(value.buffer);
      }
    } else if (Array.isArray(value)) {
      for (const each of value) if (each instanceof Tensor) holders.push(each.buffer);
    }
  }
  for (const holder of holders) holder.hold();
  return { ...node, saved, holders, remade };
}

function restored({ saved, remade }: Held, memory: Memory): Saved {
  if (remade.length === 0) return saved;
  const all: Record<string, unknown> = { ...saved };
  for (const [key, again] of remade) all[key] = again.tensor(memory);
  return all;
}

/** The gradient that an input has so far, where an op may add to it: it is nobody else's. */
function begunOf(grads: ReadonlyMap<Slot, Tensor>, slot: Slot): Tensor | null {
  if (!slot.needsGrad) return null;
  if (slot.parameter) return slot.parameter.grad;
  const grad = grads.get(slot);
  return grad?.buffer.holds === 1 ? grad : null;
}

export class Tape {
  /** Results of cheap ops are made again on the way back. */
  readonly selective: boolean;
  private nodes: Held[] = [];
  private readonly memory: Memory;

  constructor(memory: Memory, { selective = false } = {}) {
    this.memory = memory;
    this.selective = selective;
  }

  get length(): number {
    return this.nodes.length;
  }

  record(node: Node): void {
    this.nodes.push(held(node, this.selective));
  }

  /**
   * Walks back from `seeds` (a value with its gradient). Parameters collect their gradients
   * themselves; those of `wanted` are returned, and belong to the open scope.
   */
  backward(
    seeds: readonly (readonly [value: Tensor, grad: Tensor])[],
    wanted: readonly Tensor[] = [],
  ): (Tensor | null)[] {
    const grads = new Map<Slot, Tensor>();
    for (const [value, grad] of seeds) this.accumulate(grads, value.slot, grad);
    while (this.nodes.length > 0) {
      const node = this.nodes.pop() as Held;
      const dy = grads.get(node.output);
      if (dy !== undefined) {
        grads.delete(node.output);
        this.memory.scope(() => {
          const needs = node.inputs.map((slot) => slot.needsGrad);
          const begun = node.inputs.map((slot) => begunOf(grads, slot));
          const saved = restored(node, this.memory);
          const dx = span(`${node.name} backward`, () =>
            node.backward(dy.reshape(node.shape), saved as never, needs, this.memory, begun),
          );
          invariant(dx.length === node.inputs.length, `${node.name}: one gradient an input`);
          for (const [i, slot] of node.inputs.entries()) {
            const grad = dx[i];
            if (grad && slot.needsGrad && grad !== begun[i]) this.accumulate(grads, slot, grad);
          }
        });
        dy.buffer.release();
      }
      for (const holder of node.holders) holder.release();
    }
    const result = wanted.map((value) => {
      const grad = grads.get(value.slot) ?? null;
      grads.delete(value.slot);
      if (grad) this.memory.own(grad.buffer);
      return grad;
    });
    for (const grad of grads.values()) grad.buffer.release();
    return result;
  }

  /** Lets go of everything unwalked: after an evaluation, or an error. */
  clear(): void {
    for (const node of this.nodes) {
      for (const holder of node.holders) holder.release();
    }
    this.nodes = [];
  }

  private accumulate(grads: Map<Slot, Tensor>, slot: Slot, grad: Tensor): void {
    if (slot.parameter) {
      slot.parameter.accumulate(grad);
      return;
    }
    const before = grads.get(slot);
    if (before === undefined) {
      grad.buffer.hold();
      grads.set(slot, grad);
    } else if (before.buffer.holds === 1) {
      addInto.run(grad.data as Float32Array, before.data as Float32Array);
    } else {
      // The buffer stands for another value's gradient too (an addition hands one to both sides).
      const sum = this.memory.gradients.like(before);
      add.run(before.data as Float32Array, grad.data as Float32Array, sum.data as Float32Array);
      sum.buffer.hold();
      before.buffer.release();
      grads.set(slot, sum);
    }
  }
}
