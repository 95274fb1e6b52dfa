/** @file An op: forward and backward together. The tape records it only where an input needs a gradient. */
import type { Memory } from './memory.ts';
import { present, Remake } from './remake.ts';
import { session, within } from './session.ts';
import { type Backward, type Saved, Tape } from './tape.ts';
import type { Tensor } from './tensor.ts';
import { span } from './trace.ts';

type Inputs = readonly (Tensor | null)[];

/**
 * Where a backward pass puts an input's gradient: with `beta` 1 it adds to the one that is begun, which spares a buffer and a
 * pass over both.
 */
export const room = (
  begun: Tensor | null,
  fresh: () => Tensor,
): { readonly to: Tensor; readonly beta: 0 | 1 } =>
  begun ? { to: begun, beta: 1 } : { to: fresh(), beta: 0 };

/**
 * `forward(inputs, options, memory)` gives `y` and what `backward(dy, saved, needs, memory, begun)` will
 * need; `backward` captures nothing. It may add to a gradient that is begun and give that one back. An absent input (no bias) is null, and so is its gradient.
 * A `cheap` op saves all its inputs but parameters: from them its result can be made again on the way back.
 */
export function defineOp<I extends Inputs, Options, S extends Saved>(
  name: string,
  op: {
    readonly cheap?: boolean;
    forward(inputs: I, options: Options, memory: Memory): { y: Tensor; saved: S };
    backward(
      dy: Tensor,
      saved: S,
      needs: { readonly [K in keyof I]: boolean },
      memory: Memory,
      begun: { readonly [K in keyof I]: Tensor | null },
    ): { readonly [K in keyof I]: Tensor | null };
  },
): (inputs: I, options: Options) => Tensor {
  return (inputs, options) => {
    const { memory, tape } = session();
    const { y, saved } = span(name, () => op.forward(inputs, options, memory));
    if (tape && inputs.some((input) => input?.slot.needsGrad)) {
      y.slot.needsGrad = true;
      if (op.cheap && tape.selective) {
        y.slot.remake = new Remake(() => {
          const kept = inputs.map((input) => input && present(input, memory));
          return span(`${name} again`, () => op.forward(kept as unknown as I, options, memory).y);
        });
      }
      tape.record({
        name,
        inputs: inputs.map((input) => input?.slot ?? { needsGrad: false }),
        output: y.slot,
        shape: y.shape,
        saved,
        backward: op.backward as unknown as Backward,
      });
    }
    return y;
  };
}

/** Passes on what needs a gradient, and no more. */
const keepsNothing = { selective: false, record: () => {} };

/**
 * Runs `work` without keeping anything but its inputs, and once more on the way back (Chen et al.
 * 2016, arXiv:1604.06174). Every tensor that `work` uses, but for parameters, must be among `inputs`.
 */
export function checkpoint(
  work: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
): Tensor {
  const { memory, tape } = session();
  if (!tape) return work(...inputs);
  const y = within({ tape: keepsNothing }, () => memory.scope(() => work(...inputs)));
  // Nothing in there learns, and nothing before it: there will be no way back.
  if (!y.slot.needsGrad) return y;
  tape.record({
    name: 'checkpoint',
    inputs: inputs.map((input) => input.slot),
    output: y.slot,
    shape: y.shape,
    saved: { inputs },
    backward: (dy, saved: { inputs: readonly Tensor[] }, needs, memory) => {
      const own = new Tape(memory);
      const leaves = saved.inputs.map((input, i) => input.detach(needs[i]));
      const again = within({ tape: own }, () => work(...leaves));
      return own.backward([[again, dy]], leaves);
    },
  });
  return y;
}
