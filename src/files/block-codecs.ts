/** @file Blocks of Snappy and of LZ4 undone: the two codecs of columnar files that Node has not. */
import { ByteReader, type Fail } from './byte-reader.ts';

/** Copies from `distance` bytes back, overlapping as it may. Returns the new end. */
function repeat(out: Uint8Array, to: number, distance: number, length: number, fail: Fail): number {
  if (distance === 0 || distance > to) fail('a repeat reaches back before the beginning');
  if (to + length > out.length) fail('a block is longer than it claims');
  for (let i = 0; i < length; i++) out[to + i] = out[to + i - distance]!;
  return to + length;
}

function literal(out: Uint8Array, to: number, bytes: Uint8Array, fail: Fail): number {
  if (to + bytes.length > out.length) fail('a block is longer than it claims');
  out.set(bytes, to);
  return to + bytes.length;
}

/** https://github.com/google/snappy/blob/main/format_description.txt */
export function snappy(input: Uint8Array, size: number, fail: Fail): Uint8Array {
  const reader = new ByteReader(input, fail);
  if (reader.varint32() !== size) fail('a block is not as long as it claims');
  const out = new Uint8Array(size);
  let to = 0;
  while (reader.left > 0) {
    const tag = reader.u8();
    const rest = tag >> 2;
    switch (tag & 3) {
      case 0: {
        let length = rest;
        if (rest >= 60) {
          length = 0;
          for (let i = 0; i < rest - 59; i++) length += reader.u8() * 2 ** (8 * i);
        }
        to = literal(out, to, reader.take(length + 1), fail);
        break;
      }
      case 1:
        to = repeat(out, to, (rest >> 3) * 256 + reader.u8(), (rest & 7) + 4, fail);
        break;
      case 2:
        to = repeat(out, to, reader.u16(), rest + 1, fail);
        break;
      default:
        to = repeat(out, to, reader.u32(), rest + 1, fail);
    }
  }
  if (to !== size) fail('a block is shorter than it claims');
  return out;
}

/** https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md. Writes from `to` on; returns the new end. */
function lz4Into(out: Uint8Array, start: number, input: Uint8Array, fail: Fail): number {
  const reader = new ByteReader(input, fail);
  const long = (length: number): number => {
    if (length < 15) return length;
    for (let byte = 255; byte === 255; length += byte) byte = reader.u8();
    return length;
  };
  let to = start;
  while (reader.left > 0) {
    const token = reader.u8();
    to = literal(out, to, reader.take(long(token >> 4)), fail);
    if (reader.left === 0) break;
    const distance = reader.u16();
    to = repeat(out, to, distance, long(token & 15) + 4, fail);
  }
  return to;
}

export function lz4Block(input: Uint8Array, size: number, fail: Fail): Uint8Array {
  const out = new Uint8Array(size);
  if (lz4Into(out, 0, input, fail) !== size) fail('a block is shorter than it claims');
  return out;
}

/** https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md; its checksums are not looked at. */
export function lz4Frame(input: Uint8Array, size: number, fail: Fail): Uint8Array {
  const reader = new ByteReader(input, fail);
  if (reader.u32() !== 0x184d2204) fail('a frame does not begin as one does');
  const flags = reader.u8();
  reader.skip(1 + (flags & 8 ? 8 : 0) + (flags & 1 ? 4 : 0) + 1);
  const out = new Uint8Array(size);
  let to = 0;
  for (let head = reader.u32(); head !== 0; head = reader.u32()) {
    const bytes = reader.take(head & 0x7fffffff);
    to = head >= 0x80000000 ? literal(out, to, bytes, fail) : lz4Into(out, to, bytes, fail);
    if (flags & 16) reader.skip(4);
  }
  if (to !== size) fail('a frame is shorter than it claims');
  return out;
}
