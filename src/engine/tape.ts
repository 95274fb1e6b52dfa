/**
 * @file The tape: a list of what was computed, walked backward once. It owns what the ops saved,
 * counted, and lets it go as the walk goes by.
 */
import { invariant } from '../core/errors.ts';
import { add, addInto } from '../kernels/elementwise.ts';
import type { Memory } from './memory.ts';
import { type Slot, Tensor } from './tensor.ts';

/** What an op keeps for its backward pass: tensors are held by the tape, other values are as they are. */
export type Saved = Readonly<Record<string, unknown>>;

/** `needs[i]` false: no work is done for input i. Gives one gradient (or null) for each input. */
export type Backward = (
  dy: Tensor,
  saved: never,
  needs: readonly boolean[],
  memory: Memory,
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

const savedTensors = (saved: Saved): Tensor[] =>
  Object.values(saved).flatMap((value) =>
    value instanceof Tensor
      ? [value]
      : Array.isArray(value)
        ? value.filter((v): v is Tensor => v instanceof Tensor)
        : [],
  );

export class Tape {
  private nodes: Node[] = [];
  private readonly memory: Memory;

  constructor(memory: Memory) {
    this.memory = memory;
  }

  get length(): number {
    return this.nodes.length;
  }

  record(node: Node): void {
    for (const tensor of savedTensors(node.saved)) tensor.buffer.hold();
    this.nodes.push(node);
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
      const node = this.nodes.pop() as Node;
      const dy = grads.get(node.output);
      if (dy !== undefined) {
        grads.delete(node.output);
        this.memory.scope(() => {
          const needs = node.inputs.map((slot) => slot.needsGrad);
          const dx = node.backward(dy.reshape(node.shape), node.saved as never, needs, this.memory);
          invariant(dx.length === node.inputs.length, `${node.name}: one gradient an input`);
          for (const [i, slot] of node.inputs.entries()) {
            const grad = dx[i];
            if (grad && slot.needsGrad) this.accumulate(grads, slot, grad);
          }
        });
        dy.buffer.release();
      }
      for (const tensor of savedTensors(node.saved)) tensor.buffer.release();
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
      for (const tensor of savedTensors(node.saved)) tensor.buffer.release();
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
