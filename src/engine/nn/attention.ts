/** @file Attention of a pass's segments to their own keys, to a prompt that they share, and to what a cache holds. */
import { attention as attentionOp, type KeyRanges } from '../ops/attention.ts';
import type { Tensor } from '../tensor.ts';
import type { Context } from './context.ts';

export type AttentionPlace = Pick<Context, 'documents' | 'keys' | 'cache'> & {
  /** The layer's number: the cache keeps each one's keys and values. */
  readonly layer: number;
  /** ALiBi's slope a head; absent where positions are rotary. */
  readonly slopes?: Float32Array;
};

/** q: [T, H, E], k and v: [T, K, E] → [T, H, E], scaled by 1/√E */
export function attention(q: Tensor, k: Tensor, v: Tensor, place: AttentionPlace): Tensor {
  const { documents, cache, layer, slopes = null } = place;
  const options = { queryStarts: documents, scale: 1 / Math.sqrt(q.width), slopes };
  if (cache) {
    const { keys, values, ranges } = cache.layer(layer).append(k, v);
    return attentionOp([q, keys, values], { ...options, keys: ranges });
  }
  return attentionOp([q, k, v], { ...options, keys: place.keys ?? ownKeys(documents) });
}

/** Each document reads its own rows, and nothing else. */
function ownKeys(documents: Int32Array): KeyRanges {
  const count = documents.length - 1;
  const ranges = new Int32Array(2 * count);
  for (let n = 0; n < count; n++) {
    ranges[2 * n] = documents[n];
    ranges[2 * n + 1] = documents[n + 1] - documents[n];
  }
  return { ranges, starts: Int32Array.from({ length: count + 1 }, (_, n) => n) };
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
