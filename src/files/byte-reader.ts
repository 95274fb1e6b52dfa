/** @file Little-endian numbers out of bytes that nobody vouches for: each read is checked against the end. */

export type Fail = (what: string) => never;

export class ByteReader {
  readonly bytes: Uint8Array;
  readonly fail: Fail;
  at = 0;
  #view: DataView;

  constructor(bytes: Uint8Array, fail: Fail) {
    this.bytes = bytes;
    this.fail = fail;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  /** Moves on by `count` bytes and returns where they begin. */
  skip(count: number): number {
    const from = this.at;
    if (!(count >= 0 && count <= this.left)) this.fail('it ends too early');
    this.at += count;
    return from;
  }

  take(count: number): Uint8Array {
    const from = this.skip(count);
    return this.bytes.subarray(from, from + count);
  }

  u8(): number {
    return this.bytes[this.skip(1)]!;
  }
  i16(): number {
    return this.#view.getInt16(this.skip(2), true);
  }
  u16(): number {
    return this.#view.getUint16(this.skip(2), true);
  }
  i32(): number {
    return this.#view.getInt32(this.skip(4), true);
  }
  u32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }
  i64(): bigint {
    return this.#view.getBigInt64(this.skip(8), true);
  }
  u64(): bigint {
    return this.#view.getBigUint64(this.skip(8), true);
  }
  f32(): number {
    return this.#view.getFloat32(this.skip(4), true);
  }
  f64(): number {
    return this.#view.getFloat64(this.skip(8), true);
  }
  f16(): number {
    return this.#view.getFloat16(this.skip(2), true);
  }

  /** Unsigned LEB128 of at most 64 bits. */
  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return this.fail('a number has no end');
  }

  /** Unsigned LEB128 of at most 32 bits. */
  varint32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return this.fail('a number has no end');
  }

  zigzag(): bigint {
    const value = this.varint();
    return (value >> 1n) ^ -(value & 1n);
  }
}
