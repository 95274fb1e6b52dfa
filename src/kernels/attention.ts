/**
 * @file Causal grouped-query attention bounded by segments of queries, with optional ALiBi. Each segment reads keys
 * of its own, named by ranges of rows in logical order: a document's own rows; a prompt that several replies
 * share, then a reply's; the blocks of a cache. Its last query stands at its last key.
 */
import { type Cost, type FloatArray, kernel, storageOf } from './kernel.ts';

/** The key rows of segment n in logical order. */
function keyRows(ranges: Int32Array, rangeStarts: Int32Array, n: number): number[] {
  const rows: number[] = [];
  for (let r = rangeStarts[n]; r < rangeStarts[n + 1]; r++)
    for (let i = 0; i < ranges[2 * r + 1]; i++) rows.push(ranges[2 * r] + i);
  return rows;
}

/**
 * q, y: [T, H, E]; k, v: [T', K, E]; lse: [T, H], the log of each query's sum of exponentials. Segment n has the queries
 * from `queryStarts[n]` ([N + 1]) on and the ranges from `rangeStarts[n]` ([N + 1]) on; a range is its
 * first key row and a number of rows ([2 · R]). Slopes, [H], are ALiBi's.
 */
export const attentionForward = kernel(
  'attentionForward',
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
    lse: FloatArray,
  ): void => {
    for (let n = 0; n + 1 < queryStarts.length; n++) {
      const L = queryStarts[n + 1] - queryStarts[n];
      const keys = keyRows(ranges, rangeStarts, n);
      for (let h = 0; h < H; h++) {
        const g = Math.floor((h * K) / H);
        for (let i = 0; i < L; i++) {
          const row = queryStarts[n] + i;
          const visible = keys.length - L + i + 1;
          const scores: number[] = [];
          for (let j = 0; j < visible; j++) {
            let dot = 0;
            for (let e = 0; e < E; e++)
              dot += q[(row * H + h) * E + e] * k[(keys[j] * K + g) * E + e];
            scores.push(dot * scale + (slopes ? slopes[h] * (j - visible + 1) : 0));
          }
          const top = Math.max(...scores);
          const total = scores.reduce((sum, s) => sum + Math.exp(s - top), 0);
          const l = top + Math.log(total);
          lse[row * H + h] = l;
          for (let e = 0; e < E; e++) {
            let sum = 0;
            for (let j = 0; j < visible; j++)
              sum += Math.exp(scores[j] - l) * v[(keys[j] * K + g) * E + e];
            y[(row * H + h) * E + e] = sum;
          }
        }
      }
    }
  },
  {
    cost: (_q, k, _v, queryStarts, ranges, rangeStarts, H, _K, E) =>
      attentionCost('forward', 4 * H * E, k, queryStarts, ranges, rangeStarts),
  },
);

/** Gradients of the above. Those of a key row that several segments read add up; one that none reads gets zeros. */
export const attentionBackward = kernel(
  'attentionBackward',
  (
    dy: FloatArray,
    q: FloatArray,
    k: FloatArray,
    v: FloatArray,
    y: FloatArray,
    lse: FloatArray,
    queryStarts: Int32Array,
    ranges: Int32Array,
    rangeStarts: Int32Array,
    H: number,
    K: number,
    E: number,
    scale: number,
    slopes: FloatArray | null,
    dq: FloatArray,
    dk: FloatArray,
    dv: FloatArray,
  ): void => {
    dq.fill(0);
    dk.fill(0);
    dv.fill(0);
    for (let n = 0; n + 1 < queryStarts.length; n++) {
      const L = queryStarts[n + 1] - queryStarts[n];
      const keys = keyRows(ranges, rangeStarts, n);
      for (let h = 0; h < H; h++) {
        const g = Math.floor((h * K) / H);
        for (let i = 0; i < L; i++) {
          const row = ((queryStarts[n] + i) * H + h) * E;
          const last = keys.length - L + i;
          let delta = 0;
          for (let e = 0; e < E; e++) delta += dy[row + e] * y[row + e];
          for (let j = 0; j <= last; j++) {
            const key = (keys[j] * K + g) * E;
            let dot = 0;
            let dp = 0;
            for (let e = 0; e < E; e++) {
              dot += q[row + e] * k[key + e];
              dp += dy[row + e] * v[key + e];
            }
            const bias = slopes ? slopes[h] * (j - last) : 0;
            const p = Math.exp(dot * scale + bias - lse[(queryStarts[n] + i) * H + h]);
            const ds = p * (dp - delta) * scale;
            for (let e = 0; e < E; e++) {
              dq[row + e] += ds * k[key + e];
              dk[key + e] += ds * q[row + e];
              dv[key + e] += p * dy[row + e];
            }
          }
        }
      }
    }
  },
  {
    // The scores are made again: five products a pair, where forward has two.
    cost: (_dy, _q, k, _v, _y, _lse, queryStarts, ranges, rangeStarts, H, _K, E) =>
      attentionCost('backward', 10 * H * E, k, queryStarts, ranges, rangeStarts),
  },
);

/** Segments so short run at another rate: a tile is rarely full. */
const short = 256;

/** `flops` for each visible pair of a query and a key. */
function attentionCost(
  direction: string,
  flops: number,
  k: unknown,
  queryStarts: Int32Array,
  ranges: Int32Array,
  rangeStarts: Int32Array,
): Partial<Cost> {
  let pairs = 0;
  let rows = 0;
  for (let n = 0; n + 1 < queryStarts.length; n++) {
    const queries = queryStarts[n + 1] - queryStarts[n];
    let keys = 0;
    for (let r = rangeStarts[n]; r < rangeStarts[n + 1]; r++) keys += ranges[2 * r + 1];
    pairs += queries * (keys - queries) + (queries * (queries + 1)) / 2;
    rows += queries;
  }
  const length = 2 * pairs < short * rows ? 'short' : 'long';
  return { flops: flops * pairs, rate: `attention ${direction} ${storageOf(k)} ${length}` };
}
