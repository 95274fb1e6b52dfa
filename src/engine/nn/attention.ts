/** @file Attention over a pass's documents, and over what a cache holds of them. */
import { attention as attentionOp } from '../ops/attention.ts';
import type { Tensor } from '../tensor.ts';
import type { LayerCache } from './cache.ts';

export type AttentionPlace = {
  readonly documents: Int32Array;
  readonly cache: LayerCache | undefined;
  /** ALiBi's slope a head; absent where positions are rotary. */
  readonly slopes?: Float32Array;
};

/** q: [T, H, E], k and v: [T, K, E] → [T, H, E], scaled by 1/√E */
export function attention(q: Tensor, k: Tensor, v: Tensor, place: AttentionPlace): Tensor {
  const { documents, cache, slopes = null } = place;
  const scale = 1 / Math.sqrt(q.width);
  if (cache) {
    const { keys, values, starts, lengths } = cache.append(k, v, documents);
    const options = {
      queryStarts: documents,
      keyStarts: starts,
      keyLengths: lengths,
      scale,
      slopes,
    };
    return attentionOp([q, keys, values], options);
  }
  const count = documents.length - 1;
  const options = {
    queryStarts: documents,
    keyStarts: documents.subarray(0, count),
    keyLengths: Int32Array.from({ length: count }, (_, n) => documents[n + 1] - documents[n]),
    scale,
    slopes,
  };
  return attentionOp([q, k, v], options);
}

/** ALiBi's slopes as its authors' code has them, for any number of heads. */
export function alibiSlopes(heads: number): Float32Array {
  const power = 2 ** Math.floor(Math.log2(heads));
  const base = 2 ** -(2 ** -(Math.log2(power) - 3));
  const extra = 2 ** -(2 ** -(Math.log2(2 * power) - 3));
  return Float32Array.from({ length: heads }, (_, h) =>
    h < power ? base ** (h + 1) : extra ** (2 * (h - power) + 1),
  );
}
