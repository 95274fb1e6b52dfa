/** @file Causal grouped-query attention bounded by document, with optional ALiBi. */
import { type Cost, type FloatArray, kernel, storageOf } from './kernel.ts';

export const attentionForward = kernel(
  'attentionForward',
  (
    q: FloatArray,
    k: FloatArray,
    v: FloatArray,
    queryStarts: Int32Array,
    keyStarts: Int32Array,
    keyLengths: Int32Array,
    H: number,
    K: number,
    E: number,
    scale: number,
    slopes: FloatArray | null,
    y: FloatArray,
    lse: FloatArray,
  ): void => {
    for (let n = 0; n < keyStarts.length; n++) {
      const L = queryStarts[n + 1] - queryStarts[n];
      for (let h = 0; h < H; h++) {
        const g = Math.floor((h * K) / H);
        for (let i = 0; i < L; i++) {
          const row = queryStarts[n] + i;
          const visible = keyLengths[n] - L + i + 1;
          const scores: number[] = [];
          for (let j = 0; j < visible; j++) {
            let dot = 0;
            for (let e = 0; e < E; e++)
              dot += q[(row * H + h) * E + e] * k[((keyStarts[n] + j) * K + g) * E + e];
            scores.push(dot * scale + (slopes ? slopes[h] * (j - visible + 1) : 0));
          }
          const top = Math.max(...scores);
          const total = scores.reduce((sum, s) => sum + Math.exp(s - top), 0);
          const l = top + Math.log(total);
          lse[row * H + h] = l;
          for (let e = 0; e < E; e++) {
            let sum = 0;
            for (let j = 0; j < visible; j++)
              sum += Math.exp(scores[j] - l) * v[((keyStarts[n] + j) * K + g) * E + e];
            y[(row * H + h) * E + e] = sum;
          }
        }
      }
    }
  },
  {
    cost: (_q, k, _v, queryStarts, _keyStarts, keyLengths, H, _K, E) =>
      attentionCost('forward', 4 * H * E, k, queryStarts, keyLengths),
  },
);

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
      for (let h = 0; h < H; h++) {
        const g = Math.floor((h * K) / H);
        for (let i = 0; i < L; i++) {
          const row = ((queryStarts[n] + i) * H + h) * E;
          let delta = 0;
          for (let e = 0; e < E; e++) delta += dy[row + e] * y[row + e];
          for (let j = 0; j <= i; j++) {
            const key = ((queryStarts[n] + j) * K + g) * E;
            let dot = 0;
            let dp = 0;
            for (let e = 0; e < E; e++) {
              dot += q[row + e] * k[key + e];
              dp += dy[row + e] * v[key + e];
            }
            const p = Math.exp(
              dot * scale + (slopes ? slopes[h] * (j - i) : 0) - lse[(queryStarts[n] + i) * H + h],
            );
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
    cost: (_dy, _q, k, _v, _y, _lse, queryStarts, H, _K, E) =>
      attentionCost('backward', 10 * H * E, k, queryStarts, null),
  },
);

/** Documents so short run at another rate: a tile is rarely full. */
const short = 256;

/** `flops` for each visible pair of a query and a key. */
function attentionCost(
  direction: string,
  flops: number,
  k: unknown,
  queryStarts: Int32Array,
  keyLengths: ArrayLike<number> | null,
): Partial<Cost> {
  let pairs = 0;
  let rows = 0;
  for (let n = 0; n + 1 < queryStarts.length; n++) {
    const queries = queryStarts[n + 1] - queryStarts[n];
    const keys = keyLengths?.[n] ?? queries;
    pairs += queries * (keys - queries) + (queries * (queries + 1)) / 2;
    rows += queries;
  }
  const length = 2 * pairs < short * rows ? 'short' : 'long';
  return { flops: flops * pairs, rate: `attention ${direction} ${storageOf(k)} ${length}` };
}
