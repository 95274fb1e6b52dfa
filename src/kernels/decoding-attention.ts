/**
 * @file Attention of one query a segment over what a cache holds of it: decoding. Keys and values are read where they lie, and
 * long caches are shared among threads in chunks; a query's result depends on nothing but its own keys.
 */
import { attentionForward } from './attention.ts';
import { type FloatArray, kernel, storageOf } from './kernel.ts';

/**
 * q, y: [T, H, E]; k, v: [T', K, E]. Segment n has the query `queryStarts[n]` where the next one starts
 * behind it, and none otherwise; its keys are named as `attentionForward`'s, and it sees them all. Slopes, [H], are ALiBi's.
 */
export const decodingAttention = kernel(
  'decodingAttention',
  (
    q: FloatArray,
    k: FloatArray,
    v: FloatArray,
    queryStarts: Int32Array,
    ranges: Int32Array,
    rangeStarts: Int32Array,
    H: number,
    K: number,
    E: number,
    scale: number,
    slopes: FloatArray | null,
    y: FloatArray,
  ): void => {
    const lse = new Float64Array(q.length / E);
    const at = [queryStarts, ranges, rangeStarts] as const;
    attentionForward.reference(q, k, v, ...at, H, K, E, scale, slopes, y, lse);
  },
  {
    cost: (q, k, _v, queryStarts, ranges, rangeStarts, H, K, E) => {
      let keys = 0;
      for (let n = 0; n + 1 < queryStarts.length; n++) {
        if (queryStarts[n + 1] === queryStarts[n]) continue;
        for (let r = rangeStarts[n]; r < rangeStarts[n + 1]; r++) keys += ranges[2 * r + 1];
      }
      const rowBytes = (2 * K * E * k.byteLength) / k.length;
      return {
        flops: 4 * H * E * keys,
        bytes: keys * rowBytes + 2 * q.byteLength,
        rate: `decodingAttention ${storageOf(k)}`,
      };
    },
  },
);
