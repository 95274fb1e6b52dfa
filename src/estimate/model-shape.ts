/** @file What a training's memory on a GPU depends on of a model: its numbers of weights, and how wide its layers are. */
import { isLinear, type Linear, namedLayers, namedParameters } from '../engine/nn/index.ts';
import type { JsonObject } from '../files/json.ts';
import type { LoadedModel } from '../models/load.ts';

export type LinearShape = {
  /** As in `self_attn.q_proj`: its last word. */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
};

export type ModelShape = {
  readonly layers: number;
  /** Weights of one layer, and those of its linear layers' matrices. */
  readonly block: { readonly all: number; readonly matrices: number };
  readonly linears: readonly LinearShape[];
  /** Weights beside the layers: embedding, last norm, head. */
  readonly outside: number;
  /** V, D, H, K, E and F of the guide's alphabet. */
  readonly vocabulary: number;
  readonly width: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headWidth: number;
  readonly feedForward: number;
  /** Whether the feed-forward part multiplies two projections (SwiGLU). */
  readonly gated: boolean;
};

/** Counts what `buildModel` gave: no weight is read. */
export function shapeOf({ model }: LoadedModel, config: JsonObject): ModelShape {
  const inLayer = (name: string): number => Number(/\.(\d+)\./.exec(name)?.[1] ?? Number.NaN);
  const parameters = [...namedParameters(model.root)];
  const elements = (parts: typeof parameters): number =>
    [...new Set(parts.map(([, parameter]) => parameter))].reduce(
      (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
      0,
    );
  const own = (name: string): boolean => inLayer(name) === 0;
  const linears = [...namedLayers(model.root)]
    .filter((entry): entry is [string, Linear] => isLinear(entry[1]) && own(`${entry[0]}.`))
    .map(([name, { inputs, outputs }]) => ({
      name: name.slice(name.lastIndexOf('.') + 1),
      inputs,
      outputs,
    }));
  const number = (...keys: readonly string[]): number | undefined =>
    keys.map((key) => config[key]).find((value) => typeof value === 'number');
  const width = number('hidden_size') ?? 0;
  const heads = number('num_attention_heads', 'n_head') ?? 1;
  return {
    layers: 1 + Math.max(...parameters.map(([name]) => inLayer(name)).filter((n) => n >= 0)),
    block: {
      all: elements(parameters.filter(([name]) => own(name))),
      matrices: linears.reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0),
    },
    linears,
    outside: elements(parameters.filter(([name]) => Number.isNaN(inLayer(name)))),
    vocabulary: number('vocab_size') ?? 0,
    width,
    heads,
    keyHeads: number('num_key_value_heads', 'num_kv_heads') ?? heads,
    headWidth: number('head_dim') ?? width / heads,
    feedForward: number('intermediate_size', 'ffn_hidden_size') ?? 4 * width,
    gated: linears.some(({ name }) => name === 'gate_proj'),
  };
}

/** All weights of a model. */
export const weightsOf = ({ layers, block, outside }: ModelShape): number =>
  layers * block.all + outside;
