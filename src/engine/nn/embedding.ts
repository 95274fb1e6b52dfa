/** @file Token embeddings and the head that may share their weight. */
import { embedding as embeddingOp } from '../ops/embedding.ts';
import { Parameter } from '../parameter.ts';
import type { Dtype, Tensor } from '../tensor.ts';
import { type AnyLayer, type Layer, layer } from './layer.ts';
import { type Linear, linear } from './linear.ts';

export type Embedding = Layer<
  { readonly weight: Parameter },
  [ids: Int32Array, dtype?: Dtype | undefined],
  Tensor
>;

/**
 * ids: [T] → [T, D], stored as `dtype` or as the table is. `padding` is the config's `pad_token_id` where the family gives it to its table, as Hugging Face does:
 * that token's row learns nothing from being read, though it may be the end of every turn.
 */
export function embedding(
  vocabulary: number,
  width: number,
  { padding }: { readonly padding?: number | null | undefined } = {},
): Embedding {
  // torch counts a negative one from the end.
  const row = typeof padding === 'number' && padding < 0 ? vocabulary + padding : padding;
  const options = { padding: typeof row === 'number' && row < vocabulary ? row : null };
  return layer(
    { weight: new Parameter([vocabulary, width]) },
    ({ weight }, ids: Int32Array, dtype?: Dtype) =>
      embeddingOp([weight.tensor], { indices: ids, dtype, ...options }),
  );
}

/** What turns hidden states into logits: its weight is [V, D]. */
export type Head = AnyLayer & { readonly weight: Parameter; readonly bias: Parameter | null };

export function head(width: number, vocabulary: number): Head {
  const own: Linear = linear(width, vocabulary);
  return Object.assign(own, own.parts);
}

/** A head without a weight of its own: it has no name in a checkpoint. */
export const tiedHead = (table: Embedding): Head =>
  Object.assign(
    layer({}, () => undefined),
    { weight: table.parts.weight, bias: null },
  );
