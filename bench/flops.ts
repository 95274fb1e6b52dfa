/**
 * @file What a step must compute, whoever computes it. FLOPs = tokens · (4 · linear weights + 6 · LoRA weights) +
 * supervised positions · 4 · V · D + attention's 12 · H · E · length² / 2 a layer and document; 6 in place of 4 where
 * those weights are trained. Recomputation, padding and logits that nobody supervises never count.
 */
import { isLinear, namedLayers } from '../src/engine/nn/index.ts';
import { buildModel } from '../src/models/load.ts';
import type { ModelSource } from '../src/models/source.ts';

export type Size = {
  /** Weights of the linear layers, the head left out; of the head; of the adapter. */
  readonly linear: number;
  readonly head: number;
  readonly lora: number;
  /** Layers · query heads · head width. */
  readonly attention: number;
  /** Whether the model's own weights are trained. */
  readonly trained: boolean;
};

/** Counts without reading a weight. `rank`: of an adapter on all linear layers; `full` trains the model itself. */
export async function sizeOf(
  source: Pick<ModelSource, 'path' | 'config'>,
  rank: number | 'full',
): Promise<Size> {
  const { model } = await buildModel(source);
  const { config } = source;
  const layers = [...namedLayers(model.root)].flatMap(([, layer]) =>
    isLinear(layer) && layer !== (model.head as unknown) ? [layer] : [],
  );
  const sum = (weights: (layer: (typeof layers)[number]) => number): number =>
    layers.reduce((total, layer) => total + weights(layer), 0);
  return {
    linear: sum(({ inputs, outputs }) => inputs * outputs),
    head: Number(config['vocab_size']) * Number(config['hidden_size']),
    lora: rank === 'full' ? 0 : sum(({ inputs, outputs }) => rank * (inputs + outputs)),
    attention: Number(config['num_hidden_layers']) * Number(config['hidden_size']),
    trained: rank === 'full',
  };
}

/** Ids and labels of a row, and the lengths of its documents. */
export type WorkRow = {
  readonly ids: Numbers;
  readonly labels: Numbers;
  readonly documents: Numbers;
};
type Numbers = readonly number[] | Int32Array;

export type Work = {
  readonly tokens: number;
  readonly supervised: number;
  /** Sum of the squares of the documents' lengths. */
  readonly squares: number;
};

/** A label counts where a position before it predicts it. */
export const workOf = (rows: readonly WorkRow[]): Work => ({
  tokens: rows.reduce((sum, { ids }) => sum + ids.length, 0),
  supervised: rows.reduce(
    (sum, { labels }) =>
      sum + Array.from(labels).filter((label, i) => i > 0 && label !== -100).length,
    0,
  ),
  squares: rows.reduce(
    (sum, { documents }) =>
      sum + Array.from(documents).reduce((part, length) => part + length ** 2, 0),
    0,
  ),
});

export const flopsOf = (size: Size, work: Work): number =>
  productsOf(size, work) + (size.attention * 12 * work.squares) / 2;

/** Of the linear layers, the adapter and the head alone. */
export function productsOf(size: Size, { tokens, supervised }: Work): number {
  const passes = size.trained ? 6 : 4;
  return tokens * (passes * size.linear + 6 * size.lora) + supervised * passes * size.head;
}
