/**
 * @file Philox4x32-10: random numbers that are a function of what they are for.
 * Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
 */
export type Words = readonly [number, number, number, number];

/** Upper half of the product of two u32. */
function multiplyHigh(a: number, b: number): number {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 2 ** 16);
  const carry = aLow * bHigh + (middle % 2 ** 16);
  return aHigh * bHigh + Math.floor(middle / 2 ** 16) + Math.floor(carry / 2 ** 16);
}

/** Four random u32 for a counter and a key. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter.map((word) => word >>> 0);
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(c0, 0xd2511f53);
    const high2 = multiplyHigh(c2, 0xcd9e8d57);
    const [low0, low2] = [Math.imul(c0, 0xd2511f53), Math.imul(c2, 0xcd9e8d57)];
    [c0, c1, c2, c3] = [(high2 ^ c1 ^ k0) >>> 0, low2 >>> 0, (high0 ^ c3 ^ k1) >>> 0, low0 >>> 0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}
