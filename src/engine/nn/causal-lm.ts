/** @file A causal language model as the rest of the engine sees it: ids in, hidden states out, and a head to ask. */
import type { Tensor } from '../tensor.ts';
import type { Context } from './context.ts';
import type { Head } from './embedding.ts';
import { type AnyLayer, layer, type Parts } from './layer.ts';

/** What a model reads: token ids now, embeddings and media later. */
export type Inputs = {
  /** [T] */
  readonly ids: Int32Array;
};

/** Hidden states after the last norm, [T, D] or those of `context.rows`, [n, D]: never logits for all. */
export type Decoder = ((inputs: Inputs, context: Context) => Tensor) & { readonly parts: Parts };

export type CausalLM = {
  /** Every part under the names of the checkpoint. */
  readonly root: AnyLayer;
  readonly decoder: Decoder;
  readonly head: Head;
};

/** `parts` has the decoder under its checkpoint's name (`model`, `transformer`) and `lm_head`. */
export function causalLM(parts: Parts & { readonly lm_head: Head }): CausalLM {
  const { lm_head, ...rest } = parts;
  const [decoder] = Object.values(rest);
  return { root: layer(parts, () => undefined), decoder: decoder as Decoder, head: lm_head };
}
