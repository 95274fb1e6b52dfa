/** @file Token embeddings and the head that may share their weight. */
import { embedding as embeddingOp } from '../ops/embedding.ts';
import { Parameter } from '../parameter.ts';
import type { Tensor } from '../tensor.ts';
import { type AnyLayer, type Layer, layer } from './layer.ts';
import { type Linear, linear } from './linear.ts';

export type Embedding = Layer<{ readonly weight: Parameter }, [ids: Int32Array], Tensor>;

/** ids: [T] → [T, D] */
export const embedding = (vocabulary: number, width: number): Embedding =>
  layer({ weight: new Parameter([vocabulary, width]) }, ({ weight }, ids: Int32Array) =>
    embeddingOp([weight.tensor], { indices: ids }),
  );

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
