/** @file Linear layers, with a place for an adapter beside the weight. */
import { linear as linearOp } from '../ops/linear.ts';
import { loraLinear } from '../ops/lora-linear.ts';
import { Parameter } from '../parameter.ts';
import { drawsOf, session } from '../session.ts';
import type { Tensor } from '../tensor.ts';
import { type Layer, layer } from './layer.ts';

/** A low-rank update: a [R, in], b [out, R]. */
export type Adapter = {
  readonly a: Parameter;
  readonly b: Parameter;
  readonly scale: number;
  readonly dropout: number;
  /** What its dropout draws are known by: a hash of the module's name. */
  readonly purpose: number;
};

export type Linear = Layer<
  { readonly weight: Parameter; readonly bias: Parameter | null },
  [x: Tensor],
  Tensor
> & {
  readonly inputs: number;
  readonly outputs: number;
  /** Set by `tuning/`. */
  adapter: Adapter | null;
};

/** x: [T, inputs] → [T, outputs] */
export function linear(inputs: number, outputs: number, { bias = false } = {}): Linear {
  const parts = {
    weight: new Parameter([outputs, inputs]),
    bias: bias ? new Parameter([outputs]) : null,
  };
  const self: Linear = Object.assign(
    layer(parts, ({ weight, bias }, x: Tensor): Tensor => {
      const { adapter } = self;
      const fixed = [x, weight.tensor, bias?.tensor ?? null] as const;
      if (!adapter) return linearOp(fixed, null);
      const { a, b, scale, dropout, purpose } = adapter;
      const draws = dropout > 0 ? session().randomness : null;
      const randomness = draws && drawsOf(draws, x.rows);
      return loraLinear([...fixed, a.tensor, b.tensor], { scale, dropout, purpose, randomness });
    }),
    { inputs, outputs, adapter: null },
  );
  return self;
}

export const isLinear = (part: object): part is Linear => 'adapter' in part && 'inputs' in part;
