/** @file A column of a group of rows, page by page: only one page of each is in memory. */
import zlib from 'node:zlib';
import { lz4Block, snappy } from './block-codecs.ts';
import { ByteReader, type Fail } from './byte-reader.ts';
import type { JsonValue } from './json.ts';
import type { Column, Node } from './parquet-schema.ts';
import {
  plainOfDeltas,
  plainOfSplit,
  plainReader,
  readBooleans,
  readHybrid,
} from './parquet-values.ts';
import { numberOf, readStruct, structOf, type ThriftStruct } from './thrift.ts';

/** Writers make pages of about a megabyte; these are far more than any makes. */
const largestPage = 256e6;
const mostValues = 1 << 24;
const largestHeader = 16 << 20;

/** Exactly these bytes of the file. */
export type ReadAt = (position: number, length: number) => Uint8Array;

/** Goes through the values of one column of a group of rows, in order. */
export type Cursor = {
  /** How much of the path to the next value is there, and from which list on it goes on. `-1` after the last. */
  readonly definition: () => number;
  readonly repetition: () => number;
  /** Past a value that is not there. */
  readonly skip: () => void;
  readonly take: () => JsonValue;
};

type Page = {
  readonly count: number;
  /** None where every value is there, or no list is on the path. */
  readonly definitions: Uint32Array | undefined;
  readonly repetitions: Uint32Array | undefined;
  readonly values: readonly JsonValue[];
};

const empty: Page = { count: 0, definitions: undefined, repetitions: undefined, values: [] };

export function openColumn(
  column: Column,
  node: Node,
  readAt: ReadAt,
  fail: Fail,
  refuse: Fail,
): Cursor {
  let position = column.start;
  const end = column.start + column.size;
  let left = column.values;
  let page = empty;
  let at = 0;
  let valueAt = 0;
  let dictionary: readonly JsonValue[] | undefined;
  const plain = plainReader(node, fail);

  /** Draws pages until there is a value; false after the last one. */
  const ready = (): boolean => {
    while (at >= page.count) {
      if (left === 0) return false;
      const { header, size } = readHeader(position, end, readAt, fail);
      position += size;
      const packed = count(header.get(3), fail, 'size', end - position);
      const bytes = readAt(position, packed);
      position += packed;
      const found = decode(header, bytes);
      if (!found) continue;
      page = found;
      left -= page.count;
      if (left < 0) fail('its pages hold more values than it claims');
      at = 0;
      valueAt = 0;
    }
    return true;
  };

  const decode = (header: ThriftStruct, bytes: Uint8Array): Page | undefined => {
    const size = count(header.get(2), fail, 'size', largestPage);
    const kind = numberOf(header.get(1));
    if (kind === 2) {
      const entries = count(structOf(header.get(7))?.get(1), fail, 'count', mostValues);
      const reader = new ByteReader(unpack(column.codec, bytes, size, fail, refuse), fail);
      // A value of no bytes would let a few bytes claim millions of entries.
      if (entries > reader.left) fail('its dictionary ends too early');
      dictionary = Array.from({ length: entries }, () => plain(reader));
      return undefined;
    }
    if (kind === 0) {
      const about = structOf(header.get(5));
      const total = count(about?.get(1), fail, 'count', mostValues);
      const reader = new ByteReader(unpack(column.codec, bytes, size, fail, refuse), fail);
      const levels = (most: number, encoding: number | undefined): Uint32Array | undefined => {
        if (most === 0) return undefined;
        if (encoding !== 3) refuse('its levels are encoded in a way that was given up in 2013');
        return readHybrid(new ByteReader(reader.take(reader.u32()), fail), widthOf(most), total);
      };
      const repetitions = levels(node.repeats, numberOf(about?.get(4)));
      const definitions = levels(node.definition, numberOf(about?.get(3)));
      return pageOf(total, repetitions, definitions, reader, numberOf(about?.get(2)));
    }
    if (kind === 3) {
      const about = structOf(header.get(8));
      const total = count(about?.get(1), fail, 'count', mostValues);
      const reader = new ByteReader(bytes, fail);
      const levels = (most: number, length: number): Uint32Array | undefined => {
        const part = new ByteReader(reader.take(length), fail);
        return most === 0 ? undefined : readHybrid(part, widthOf(most), total);
      };
      const [repeated, defined] = [6, 5].map((id) => count(about?.get(id), fail, 'size', size));
      const repetitions = levels(node.repeats, repeated!);
      const definitions = levels(node.definition, defined!);
      const rest = reader.take(reader.left);
      const restSize = size - repeated! - defined!;
      // A page of nulls may have nothing that could be unpacked.
      const isPacked = about?.get(7) !== false && restSize > 0;
      const values = isPacked ? unpack(column.codec, rest, restSize, fail, refuse) : rest;
      const encoding = numberOf(about?.get(4));
      return pageOf(total, repetitions, definitions, new ByteReader(values, fail), encoding);
    }
    // An index page.
    return undefined;
  };

  const pageOf = (
    total: number,
    repetitions: Uint32Array | undefined,
    definitions: Uint32Array | undefined,
    reader: ByteReader,
    encoding: number | undefined,
  ): Page => {
    let there = total;
    if (definitions) {
      there = 0;
      for (const level of definitions) if (level === node.definition) there++;
    }
    const values = there === 0 ? [] : readValues(reader, there, encoding);
    return { count: total, repetitions, definitions, values };
  };

  const readValues = (
    reader: ByteReader,
    total: number,
    encoding: number | undefined,
  ): readonly JsonValue[] => {
    const each = (from: ByteReader): JsonValue[] =>
      Array.from({ length: total }, () => plain(from));
    const isBoolean = node.physical === 'boolean';
    switch (encoding) {
      case 0:
        return isBoolean ? readBooleans(reader, total) : each(reader);
      case 2:
      case 8: {
        const entries = dictionary ?? fail('a page refers to a dictionary that is not there');
        const width = reader.u8();
        const indices = width === 0 ? new Uint32Array(total) : readHybrid(reader, width, total);
        return Array.from(
          indices,
          (index) => entries[index] ?? fail('a page refers to what its dictionary has not'),
        );
      }
      case 3: {
        if (!isBoolean) break;
        const bits = readHybrid(new ByteReader(reader.take(reader.u32()), fail), 1, total);
        return Array.from(bits, (bit) => bit === 1);
      }
      case 5:
      case 6:
      case 7:
        return each(plainOfDeltas(encoding, reader, total, node, largestPage));
      case 9:
        return each(plainOfSplit(reader, total, node));
    }
    return refuse(`its values are encoded in a way that is not known here (number ${encoding})`);
  };

  const level = (levels: Uint32Array | undefined, most: number): number => levels?.[at] ?? most;
  return {
    definition: () => (ready() ? level(page.definitions, node.definition) : -1),
    repetition: () => (ready() ? level(page.repetitions, 0) : -1),
    skip() {
      if (!ready()) fail('it has fewer values than rows');
      at++;
    },
    take() {
      if (!ready()) fail('it has fewer values than rows');
      at++;
      return page.values[valueAt++] ?? null;
    },
  };
}

const widthOf = (most: number): number => 32 - Math.clz32(most);

function count(value: unknown, fail: Fail, what: 'size' | 'count', most: number): number {
  const number = typeof value === 'bigint' ? Number(value) : -1;
  return number >= 0 && number <= most ? number : fail(`the ${what} of a page is impossible`);
}

/** A page's header, whose length only reading it tells. */
function readHeader(position: number, end: number, readAt: ReadAt, fail: Fail) {
  for (let length = 1 << 12; ; length *= 16) {
    const most = Math.min(length, end - position);
    if (most <= 0) fail('it ends before its last value');
    let short = false;
    const isLast = most < length || length >= largestHeader;
    const reader = new ByteReader(readAt(position, most), (what) => {
      if (isLast) fail(what);
      short = true;
      throw new RangeError(what);
    });
    try {
      return { header: readStruct(reader), size: reader.at };
    } catch (error) {
      if (!short) throw error;
    }
  }
}

function unpack(
  codec: number,
  bytes: Uint8Array,
  size: number,
  fail: Fail,
  refuse: Fail,
): Uint8Array {
  const limit = { maxOutputLength: Math.max(size, 1) };
  const undo = (unpacked: () => Uint8Array): Uint8Array => {
    let out: Uint8Array;
    try {
      out = unpacked();
    } catch {
      return fail('what it packs cannot be unpacked');
    }
    return out.length === size ? out : fail('a page is not as long as it claims');
  };
  switch (codec) {
    case 0:
      return bytes.length === size ? bytes : fail('a page is not as long as it claims');
    case 1:
      return snappy(bytes, size, fail);
    case 2:
      return undo(() => zlib.gunzipSync(bytes, limit));
    case 4:
      return undo(() => zlib.brotliDecompressSync(bytes, limit));
    case 6:
      return undo(() => zlib.zstdDecompressSync(bytes, limit));
    case 7:
      return lz4Block(bytes, size, fail);
    default:
      return refuse(
        `it is packed by ${{ 3: 'LZO', 5: 'an early form of LZ4' }[codec] ?? 'an unknown codec'}`,
      );
  }
}
