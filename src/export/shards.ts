/** @file Weights in one file or several, named and indexed as `transformers` does. */
import type { TensorToWrite } from '../files/safetensors.ts';

export type SizedTensor = TensorToWrite & { readonly size: number };

export type Shard = { readonly file: string; readonly tensors: readonly SizedTensor[] };

export type Sharded = {
  readonly shards: readonly Shard[];
  /** Of all weights, without headers. */
  readonly bytes: number;
  /** `model.safetensors.index.json`; undefined where one file holds all. */
  readonly index: string | undefined;
};

export const indexName = 'model.safetensors.index.json';

/** Fills files in the order of the tensors, none beyond `limit` bytes unless one tensor alone is. */
export function shardTensors(tensors: readonly SizedTensor[], limit: number): Sharded {
  const groups: SizedTensor[][] = [];
  let filled = Number.POSITIVE_INFINITY;
  for (const tensor of tensors) {
    if (filled + tensor.size > limit) {
      groups.push([]);
      filled = 0;
    }
    groups[groups.length - 1].push(tensor);
    filled += tensor.size;
  }
  const bytes = tensors.reduce((sum, { size }) => sum + size, 0);
  const number = (n: number): string => String(n).padStart(5, '0');
  const shards = groups.map((group, i) => ({
    file:
      groups.length === 1
        ? 'model.safetensors'
        : `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`,
    tensors: group,
  }));
  if (shards.length === 1) return { shards, bytes, index: undefined };
  const map = shards.flatMap(({ file, tensors: own }) => own.map(({ name }) => [name, file]));
  const index = { metadata: { total_size: bytes }, weight_map: Object.fromEntries(map.sort()) };
  return { shards, bytes, index: `${JSON.stringify(index, null, 2)}\n` };
}
