/** @file The encodings in which values lie in a page of a parquet file, each to a list of JSON values. */
import { isUtf8 } from 'node:buffer';
import { ByteReader, type Fail } from './byte-reader.ts';
import {
  bigEndian,
  bytesCell,
  dateCell,
  decimalCell,
  floatCell,
  integerCell,
  timestampCell,
} from './cells.ts';
import type { JsonValue } from './json.ts';
import type { Node } from './parquet-schema.ts';

/**
 * A mix of repeated and of packed values of `width` bits, `count` of them ("RLE/bit-packing hybrid"). What a run holds
 * beyond the count is not read.
 */
export function readHybrid(reader: ByteReader, width: number, count: number): Uint32Array {
  if (width > 32) reader.fail('values are wider than 32 bits');
  const out = new Uint32Array(count);
  const bytes = (width + 7) >> 3;
  for (let to = 0; to < count; ) {
    const head = reader.varint32();
    const size = Math.floor(head / 2);
    if (size === 0) reader.fail('a run of values is empty');
    if (head % 2 === 0) {
      let value = 0;
      for (let i = 0; i < bytes; i++) value += reader.u8() * 2 ** (8 * i);
      const end = Math.min(count, to + size);
      out.fill(value, to, end);
      to = end;
      continue;
    }
    // Groups of eight; the last one may be cut short at the end of the page.
    const packed = reader.take(Math.min(size * width, reader.left));
    const end = Math.min(count, to + size * 8);
    if (packed.length * 8 < (end - to) * width) reader.fail('it ends too early');
    unpack(packed, width, out, to, end);
    to = end;
  }
  return out;
}

function unpack(packed: Uint8Array, width: number, out: Uint32Array, from: number, to: number) {
  let hold = 0;
  let held = 0;
  let at = 0;
  const size = 2 ** width;
  for (let i = from; i < to; i++) {
    // Up to 39 bits, so not by shifts of 32-bit numbers.
    while (held < width) {
      hold += packed[at++]! * 2 ** held;
      held += 8;
    }
    out[i] = hold % size;
    hold = Math.floor(hold / size);
    held -= width;
  }
}

/** How one value of a column is read where it lies plainly. */
export function plainReader(node: Node, fail: Fail): (reader: ByteReader) => JsonValue {
  const { kind, scale, unit, isUtc, width } = node.meaning;
  const isText = kind === 'text';
  const bytes = (value: Uint8Array): JsonValue => {
    if (kind === 'decimal') return decimalCell(bigEndian(value), scale);
    if (isText && !isUtf8(value)) fail('a text is not UTF-8');
    return bytesCell(value);
  };
  switch (node.physical) {
    case 'boolean':
      return (reader) => reader.u8() === 1;
    case 'int32':
      if (kind === 'date') return (reader) => dateCell(reader.i32());
      if (kind === 'time') return (reader) => timeOfDay(BigInt(reader.i32()), unit);
      if (kind === 'decimal') return (reader) => decimalCell(BigInt(reader.i32()), scale);
      return kind === 'unsigned' ? (reader) => reader.u32() : (reader) => reader.i32();
    case 'int64':
      if (kind === 'timestamp') return (reader) => timestampCell(reader.i64(), unit, isUtc);
      if (kind === 'time') return (reader) => timeOfDay(reader.i64(), unit);
      if (kind === 'decimal') return (reader) => decimalCell(reader.i64(), scale);
      return kind === 'unsigned'
        ? (reader) => integerCell(reader.u64())
        : (reader) => integerCell(reader.i64());
    case 'int96':
      // Nanoseconds of the day, then the Julian day.
      return (reader) => {
        const nanoseconds = reader.i64();
        const days = BigInt(reader.u32()) - 2_440_588n;
        return timestampCell(days * 86_400_000_000_000n + nanoseconds, 1_000_000_000n, false);
      };
    case 'float':
      return (reader) => floatCell(reader.f32());
    case 'double':
      return (reader) => floatCell(reader.f64());
    case 'bytes':
      return (reader) => bytes(reader.take(reader.u32()));
    case 'fixed':
      if (kind === 'float16') return (reader) => floatCell(reader.f16());
      if (kind === 'uuid') return (reader) => uuid(reader.take(width));
      if (width < 0) fail('a value has fewer than no bytes');
      return (reader) => bytes(reader.take(width));
    default:
      return fail('a column is of no known type');
  }
}

const timeOfDay = (value: bigint, unit: bigint): JsonValue =>
  String(timestampCell(value, unit, false)).slice('1970-01-01 '.length);

const uuid = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

export function readBooleans(reader: ByteReader, count: number): boolean[] {
  const bits = reader.take((count + 7) >> 3);
  return Array.from({ length: count }, (_, i) => ((bits[i >> 3]! >> (i & 7)) & 1) === 1);
}

/** DELTA_BINARY_PACKED. */
export function readDeltas(reader: ByteReader, count: number): bigint[] {
  const block = reader.varint32();
  const minis = reader.varint32();
  const total = reader.varint32();
  if (total !== count) reader.fail('a page does not hold as many values as it claims');
  if (count === 0) return [];
  const size = block / minis;
  if (!Number.isInteger(size) || size % 8 !== 0 || size === 0 || size > 1 << 20) {
    reader.fail('the blocks of a page are of an impossible size');
  }
  let value = reader.zigzag();
  const out = [value];
  while (out.length < count) {
    const least = reader.zigzag();
    for (const width of reader.take(minis)) {
      if (out.length >= count) break;
      if (width > 64) reader.fail('values are wider than 64 bits');
      const packed = new ByteReader(reader.take((size / 8) * width), reader.fail);
      for (let i = 0, hold = 0n, held = 0; i < size && out.length < count; i++) {
        for (; held < width; held += 8) hold |= BigInt(packed.u8()) << BigInt(held);
        const delta = BigInt.asUintN(width, hold);
        hold >>= BigInt(width);
        held -= width;
        value = BigInt.asIntN(64, value + least + delta);
        out.push(value);
      }
    }
  }
  return out;
}

/** DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes. */
function readLengths(reader: ByteReader, count: number): Uint8Array[] {
  return readDeltas(reader, count).map((length) => reader.take(Number(length)));
}

/** DELTA_BYTE_ARRAY: how much each value shares with the one before, and what follows that. */
function readPrefixed(reader: ByteReader, count: number, most: number): Uint8Array[] {
  const shared = readDeltas(reader, count);
  const rests = readLengths(reader, count);
  let before: Uint8Array = new Uint8Array(0);
  let size = 0;
  return rests.map((rest, i) => {
    const prefix = Number(shared[i]);
    if (!(prefix >= 0 && prefix <= before.length)) reader.fail('a value shares more than there is');
    size += prefix + rest.length;
    if (size > most) reader.fail('a page is larger than any of sound files');
    before = Buffer.concat([before.subarray(0, prefix), rest]);
    return before;
  });
}

/** Values that a delta encoding gives, put down plainly, for the column's own reader. */
export function plainOfDeltas(
  encoding: 5 | 6 | 7,
  reader: ByteReader,
  count: number,
  node: Node,
  most: number,
): ByteReader {
  if (encoding === 5) {
    const values = readDeltas(reader, count);
    const wide = node.physical === 'int64';
    const out = Buffer.alloc(values.length * (wide ? 8 : 4));
    for (const [i, value] of values.entries()) {
      if (wide) out.writeBigInt64LE(value, 8 * i);
      else out.writeInt32LE(Number(BigInt.asIntN(32, value)), 4 * i);
    }
    return new ByteReader(out, reader.fail);
  }
  const parts = encoding === 6 ? readLengths(reader, count) : readPrefixed(reader, count, most);
  const isFixed = node.physical === 'fixed';
  const out = parts.flatMap((part) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(part.length);
    return isFixed ? [part] : [length, part];
  });
  return new ByteReader(Buffer.concat(out), reader.fail);
}

/** BYTE_STREAM_SPLIT: the first bytes of all values, then the second ones, … */
export function plainOfSplit(reader: ByteReader, count: number, node: Node): ByteReader {
  const widths: Partial<Record<string, number>> = { int32: 4, float: 4, int64: 8, double: 8 };
  const width = widths[node.physical ?? ''] ?? node.meaning.width;
  const split = reader.take(count * width);
  const out = new Uint8Array(split.length);
  for (let byte = 0; byte < width; byte++) {
    for (let i = 0; i < count; i++) out[i * width + byte] = split[byte * count + i]!;
  }
  return new ByteReader(out, reader.fail);
}
