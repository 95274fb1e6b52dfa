/** @file Integers that come one by one, or many at a time. */
export class Growing {
  #values: Int32Array<ArrayBuffer>;
  #length = 0;

  constructor(capacity: number) {
    this.#values = new Int32Array(capacity);
  }

  #room(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#values.length) return;
    const wider = new Int32Array(Math.max(needed, 2 * this.#values.length));
    wider.set(this.#values.subarray(0, this.#length));
    this.#values = wider;
  }

  push(value: number): void {
    this.#room(1);
    this.#values[this.#length++] = value;
  }

  append(values: Int32Array): void {
    this.#room(values.length);
    this.#values.set(values, this.#length);
    this.#length += values.length;
  }

  /** A copy of what came, which is forgotten here. */
  take(): Int32Array<ArrayBuffer> {
    const taken = this.#values.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }
}
