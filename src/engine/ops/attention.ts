/**
 * @file Causal grouped-query attention, bounded by segment, never T × T (Dao et al. 2022, arXiv:2205.14135;
 * Ainslie et al. 2023, arXiv:2305.13245; ALiBi: Press et al. 2021, arXiv:2108.12409).
 */
import { attentionBackward, attentionForward } from '../../kernels/attention.ts';
import { decodingAttention } from '../../kernels/decoding-attention.ts';
import { defineOp } from '../op.ts';
import { session } from '../session.ts';
import type { Tensor } from '../tensor.ts';

/** The key rows that each segment of queries reads, in logical order; its last query stands at its last key. */
export type KeyRanges = {
  /** First key row and number of rows of each range: [2 · R]. */
  readonly ranges: Int32Array;
  /** First range of each segment, and the end: [N + 1]. */
  readonly starts: Int32Array;
};

export type AttentionOptions = {
  /** First query row of each segment, and the end: [N + 1]. */
  readonly queryStarts: Int32Array;
  readonly keys: KeyRanges;
  readonly scale: number;
  /** ALiBi's slope a head, [H]. */
  readonly slopes: Float32Array | null;
};

type Inputs = readonly [q: Tensor, k: Tensor, v: Tensor];

/** q: [T, H, E], k and v: [T', K, E] → [T, H, E] */
export const attention = defineOp('attention', {
  forward([q, k, v]: Inputs, options: AttentionOptions, memory) {
    const [T, H, E] = q.shape;
    const y = memory.activations.like(q);
    const lse = memory.activations.tensor([T, H], q.dtype === 'f64' ? 'f64' : 'f32');
    const { queryStarts, keys, scale, slopes } = options;
    const places = [queryStarts, keys.ranges, keys.starts] as const;
    const shape = [H, k.shape[1], E, scale, slopes] as const;
    if (session().decoding) {
      decodingAttention.run(q.data, k.data, v.data, ...places, ...shape, y.data);
    } else {
      attentionForward.run(q.data, k.data, v.data, ...places, ...shape, y.data, lse.data);
    }
    return { y, saved: { q, k, v, y, lse, options } };
  },

  backward(dy, { q, k, v, y, lse, options }, _needs, memory) {
    const dq = memory.gradients.like(q);
    const dk = memory.gradients.like(k);
    const dv = memory.gradients.like(v);
    attentionBackward.run(
      dy.data,
      q.data,
      k.data,
      v.data,
      y.data,
      lse.data,
      options.queryStarts,
      options.keys.ranges,
      options.keys.starts,
      q.shape[1],
      k.shape[1],
      q.shape[2],
      options.scale,
      options.slopes,
      dq.data,
      dk.data,
      dv.data,
    );
    return [dq, dk, dv];
  },
});
