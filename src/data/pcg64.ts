/**
 * @file NumPy's `default_rng(seed)`: SeedSequence, PCG64 (O'Neill 2014, XSL-RR 128/64) and the few draws that
 * Hugging Face's `datasets` takes from it, number by number, so that rows are chosen and mixed as there.
 */
export type NumpyRandom = {
  /** A share in [0, 1) with 53 bits. */
  double(): number;
  /** 0 … limit, both of them (limit < 2³²), by Lemire's method. */
  upTo(limit: number): number;
  /** 0 … n − 1 in random order, as `permutation(n)`. */
  permutation(n: number): Uint32Array;
  /** Shuffled in place, as `shuffle(x)`. */
  shuffle(items: { length: number; [index: number]: unknown }): void;
  /** A 64-bit draw of `integers(0, 2⁶³)`. */
  below2to63(): bigint;
};

const mask32 = 0xffffffffn;
const mask64 = (1n << 64n) - 1n;
const mask128 = (1n << 128n) - 1n;
const multiplier = 0x2360ed051fc65da44385df649fccf645n;

export function numpyRandom(seed: number | bigint): NumpyRandom {
  const [a, b, c, d] = seedState(BigInt(seed));
  const increment = ((((c << 64n) | d) << 1n) | 1n) & mask128;
  const step = (state: bigint): bigint => (state * multiplier + increment) & mask128;
  let state = step((step(0n) + ((a << 64n) | b)) & mask128);
  let half: number | undefined;

  const next64 = (): bigint => {
    state = step(state);
    const high = state >> 64n;
    const mixed = high ^ (state & mask64);
    const turn = high >> 58n;
    return ((mixed >> turn) | (mixed << ((64n - turn) & 63n))) & mask64;
  };
  /** The low half of a draw, then its high half. */
  const next32 = (): number => {
    if (half !== undefined) {
      const kept = half;
      half = undefined;
      return kept;
    }
    const drawn = next64();
    half = Number(drawn >> 32n);
    return Number(drawn & mask32);
  };
  const upTo = (limit: number): number => {
    if (limit === 0) return 0;
    const count = limit + 1;
    const threshold = (2 ** 32 - count) % count;
    for (;;) {
      const product = BigInt(next32()) * BigInt(count);
      if (Number(product & mask32) >= threshold) return Number(product >> 32n);
    }
  };
  /** As `upTo`, by drawing as many bits as the limit has until the number fits: what shuffling takes. */
  const masked = (limit: number): number => {
    const mask = 0xffffffff >>> Math.clz32(limit);
    for (;;) {
      const value = (next32() & mask) >>> 0;
      if (value <= limit) return value;
    }
  };
  const shuffle: NumpyRandom['shuffle'] = (items) => {
    for (let i = items.length - 1; i > 0; i--) {
      const j = masked(i);
      const held = items[i];
      items[i] = items[j];
      items[j] = held;
    }
  };
  return {
    double: () => Number(next64() >> 11n) / 2 ** 53,
    upTo,
    shuffle,
    permutation(n) {
      const order = Uint32Array.from({ length: n }, (_, i) => i);
      shuffle(order);
      return order;
    },
    below2to63() {
      // Lemire's method multiplies by 2⁶³ and takes the high word.
      return next64() >> 1n;
    },
  };
}

/** Four 64-bit words of `SeedSequence(seed)`. */
function seedState(seed: bigint): readonly [bigint, bigint, bigint, bigint] {
  const entropy: number[] = [];
  for (let rest = seed; rest > 0n; rest >>= 32n) entropy.push(Number(rest & mask32));
  if (entropy.length === 0) entropy.push(0);

  let hashConstant = 0x43b0d7e5;
  const hash = (value: number): number => {
    let mixed = (value ^ hashConstant) >>> 0;
    hashConstant = Math.imul(hashConstant, 0x931e8875) >>> 0;
    mixed = Math.imul(mixed, hashConstant) >>> 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const mix = (x: number, y: number): number => {
    const mixed = (Math.imul(x, 0xca01f9dd) - Math.imul(y, 0x4973f715)) >>> 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const pool = Array.from({ length: 4 }, (_, i) => hash(entropy[i] ?? 0));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
  }
  for (const word of entropy.slice(4)) {
    for (let to = 0; to < 4; to++) pool[to] = mix(pool[to], hash(word));
  }

  let outConstant = 0x8b51f9dd;
  const words = Array.from({ length: 8 }, (_, i) => {
    let value = (pool[i % 4] ^ outConstant) >>> 0;
    outConstant = Math.imul(outConstant, 0x58f38ded) >>> 0;
    value = Math.imul(value, outConstant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  });
  const word = (i: number): bigint => BigInt(words[2 * i]) | (BigInt(words[2 * i + 1]) << 32n);
  return [word(0), word(1), word(2), word(3)];
}
