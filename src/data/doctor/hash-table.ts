/** @file A table of 64-bit hashes with a number each, in typed arrays: a million entries take 24 MB. */

/** Two independent 32-bit hashes (FNV-1a, and a multiplicative one) of a text. */
export function hash64(text: string): readonly [number, number] {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b + code, 0x85ebca6b) ^ (b >>> 15);
  }
  b = Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  return [a >>> 0, (b ^ (b >>> 16)) >>> 0];
}

export class HashTable {
  #low = new Uint32Array(1 << 12);
  #high = new Uint32Array(1 << 12);
  /** One more than the entry's number; 0 is free. */
  #values = new Uint32Array(1 << 12);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  get(low: number, high: number): number | undefined {
    const value = this.#values[this.#slot(low, high)];
    return value === 0 ? undefined : value - 1;
  }

  /** Puts a number under a hash that may be there already. */
  set(low: number, high: number, value: number): void {
    if (this.#count * 2 >= this.#values.length) this.#grow();
    const slot = this.#slot(low, high);
    if (this.#values[slot] === 0) this.#count++;
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#values[slot] = value + 1;
  }

  #slot(low: number, high: number): number {
    const mask = this.#values.length - 1;
    let slot = (low ^ (high << 7)) & mask;
    while (this.#values[slot] !== 0 && (this.#low[slot] !== low || this.#high[slot] !== high)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #grow(): void {
    const [lows, highs, values] = [this.#low, this.#high, this.#values];
    this.#low = new Uint32Array(lows.length * 2);
    this.#high = new Uint32Array(lows.length * 2);
    this.#values = new Uint32Array(lows.length * 2);
    for (let i = 0; i < values.length; i++) {
      if (values[i] === 0) continue;
      const slot = this.#slot(lows[i], highs[i]);
      this.#low[slot] = lows[i];
      this.#high[slot] = highs[i];
      this.#values[slot] = values[i];
    }
  }
}
