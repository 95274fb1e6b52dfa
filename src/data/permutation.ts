/**
 * @file Random order that is counted, not drawn: a permutation follows from a seed, what it is for and a
 * number (an epoch), so any of them can be had without those before it.
 */
import { philox } from '../kernels/philox.ts';

/** What randomness is for, so that two uses of one seed share nothing. */
export type Purpose = 'order' | 'samples';

const purposes: Readonly<Record<Purpose, number>> = {
  order: 0x6f726472,
  samples: 0x736d706c,
};

/** A share in [0, 1) with 53 bits, for each index. */
export function shares(seed: number, purpose: Purpose, number: number): (index: number) => number {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  return (index) => {
    const [high, low] = philox([index, number, purposes[purpose], 0], key);
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  };
}

/** 0 … n − 1 in random order (Fisher and Yates). */
export function permutation(n: number, seed: number, purpose: Purpose, number = 0): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  const share = shares(seed, purpose, number);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(share(i) * (i + 1));
    const held = order[i];
    order[i] = order[j];
    order[j] = held;
  }
  return order;
}

/** Exactly `count` of `n` rows; where more are asked than there are, some come again. */
export function sampleRows(n: number, count: number, seed: number): number[] {
  const chosen = [...permutation(n, seed, 'samples').subarray(0, count)];
  const share = shares(seed, 'samples', 1);
  while (n > 0 && chosen.length < count) chosen.push(Math.floor(share(chosen.length) * n));
  return chosen;
}
