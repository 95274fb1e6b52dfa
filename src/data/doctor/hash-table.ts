/** @file A table of 64-bit hashes with a number each, in one typed array: a million entries take 24 MB. */

/**
 * Two independent 32-bit hashes of a text from `from` up to `to`, four of its characters at a time, each of which reaches
 * both by a way of its own.
 */
export function hash64(text: string, from = 0, to = text.length): readonly [number, number] {
  let a = 0x811c9dc5 ^ (to - from);
  let b = 0x9e3779b9;
  let i = from;
  for (; i + 3 < to; i += 4) {
    const first = text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16);
    const second = text.charCodeAt(i + 2) | (text.charCodeAt(i + 3) << 16);
    a = Math.imul(a ^ first, 0x01000193) + Math.imul(second, 0x7feb352d);
    a ^= a >>> 15;
    b = Math.imul(b + second, 0x85ebca6b) + Math.imul(first, 0x2c1b3c6d);
    b ^= b >>> 13;
  }
  for (; i < to; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b + code, 0x85ebca6b) ^ (b >>> 15);
  }
  a = Math.imul(a ^ (a >>> 16), 0x7feb352d);
  b = Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  return [(a ^ (a >>> 15)) >>> 0, (b ^ (b >>> 16)) >>> 0];
}

/** Low and high half, and one more than the entry's number; 0 is free. Beside each other, so that the memory is asked once. */
const width = 3;

export class HashTable {
  #slots = 1 << 12;
  #entries = new Uint32Array(width * this.#slots);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  get(low: number, high: number): number | undefined {
    const value = this.#entries[this.#at(low, high) + 2];
    return value === 0 ? undefined : value - 1;
  }

  /** Puts a number under a hash that may be there already. */
  set(low: number, high: number, value: number): void {
    if (this.#count * 2 >= this.#slots) this.#grow();
    const at = this.#at(low, high);
    if (this.#entries[at + 2] === 0) this.#count++;
    this.#entries[at] = low;
    this.#entries[at + 1] = high;
    this.#entries[at + 2] = value + 1;
  }

  /** Where the hash stands in the entries, or the free place for it. */
  #at(low: number, high: number): number {
    const entries = this.#entries;
    const mask = this.#slots - 1;
    let slot = (low ^ (high << 7)) & mask;
    for (;;) {
      const at = width * slot;
      if (entries[at + 2] === 0 || (entries[at] === low && entries[at + 1] === high)) return at;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const before = this.#entries;
    this.#slots *= 2;
    this.#entries = new Uint32Array(width * this.#slots);
    for (let i = 0; i < before.length; i += width) {
      if (before[i + 2] === 0) continue;
      this.#entries.set(before.subarray(i, i + width), this.#at(before[i], before[i + 1]));
    }
  }
}
