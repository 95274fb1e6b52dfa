/** @file The columns of one batch of an Arrow file: each a function from the row to its value, over the batch's bytes. */
import { isUtf8 } from 'node:buffer';
import zlib from 'node:zlib';
import type { Faults, Field, Type } from './arrow-schema.ts';
import { lz4Frame } from './block-codecs.ts';
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
import type { Table } from './flatbuffer.ts';
import type { JsonObject, JsonValue } from './json.ts';

export type Column = { readonly length: number; readonly at: (row: number) => JsonValue };
export type Dictionaries = ReadonlyMap<bigint, Column>;

/** Far above what writers make: 65,536 rows. */
const mostRows = 1 << 24;
const largestBuffer = 1 << 30;

/** Gives out what a batch holds, in the order in which its columns, depth first, need it. */
type Supply = {
  readonly node: () => number;
  readonly buffer: () => Buffer;
  readonly views: () => number;
};

/** The columns of a record batch, and how many rows they have. */
export function readBatch(
  batch: Table,
  body: Uint8Array,
  fields: readonly Field[],
  dictionaries: Dictionaries,
  faults: Faults,
): { readonly rows: number; readonly columns: readonly Column[] } {
  const { fail } = faults();
  const rows = sizeOf(batch.at(0)?.i64() ?? 0n, mostRows, fail);
  const supply = createSupply(batch, body, fail);
  const columns = fields.map((field) => readColumn(field, supply, dictionaries, faults));
  if (columns.some(({ length }) => length < rows)) fail('a column has fewer values than rows');
  return { rows, columns };
}

const sizeOf = (value: bigint, most: number, fail: Fail): number =>
  value >= 0n && value <= BigInt(most) ? Number(value) : fail('a size or a count is impossible');

function createSupply(batch: Table, body: Uint8Array, fail: Fail): Supply {
  const nodes = batch.vector(1, 16);
  const buffers = batch.vector(2, 16);
  const views = batch.vector(4, 8);
  const packing = batch.table(3);
  const codec = packing && (packing.at(0)?.u8() ?? 0);
  let [node, buffer, view] = [0, 0, 0];
  const missing = (): never => fail('a batch lacks a part of a column');
  return {
    node: () => sizeOf((nodes[node++] ?? missing()).i64(), mostRows, fail),
    views: () => sizeOf((views[view++] ?? missing()).i64(), buffers.length, fail),
    buffer() {
      const region = buffers[buffer++] ?? missing();
      const start = sizeOf(region.i64(), body.length, fail);
      const length = sizeOf(region.i64(), body.length - start, fail);
      const bytes = body.subarray(start, start + length);
      return asBuffer(codec === undefined || length === 0 ? bytes : unpack(codec, bytes, fail));
    },
  };
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A buffer begins with how long it is unpacked; -1 stands for one that is not packed. */
function unpack(codec: number, bytes: Uint8Array, fail: Fail): Uint8Array {
  const reader = new ByteReader(bytes, fail);
  const claimed = reader.i64();
  const packed = reader.take(reader.left);
  if (claimed === -1n) return packed;
  const size = sizeOf(claimed, largestBuffer, fail);
  if (codec === 0) return lz4Frame(packed, size, fail);
  if (codec !== 1) fail('it is packed by an unknown codec');
  let out: Uint8Array;
  try {
    out = zlib.zstdDecompressSync(packed, { maxOutputLength: Math.max(1, size) });
  } catch {
    return fail('what it packs cannot be unpacked');
  }
  return out.length === size ? out : fail('a buffer is not as long as it claims');
}

function readColumn(
  field: Field,
  supply: Supply,
  dictionaries: Dictionaries,
  faults: Faults,
): Column {
  const { fail } = faults(field.path);
  const { dictionary } = field;
  if (!dictionary) return readValues(field, supply, dictionaries, faults);
  const index = readValues(
    { ...field, type: dictionary.index, children: [] },
    supply,
    dictionaries,
    faults,
  );
  const entries = dictionaries.get(dictionary.id) ?? fail('its dictionary is not there');
  return {
    length: index.length,
    at(row) {
      const number = index.at(row);
      if (number === null) return null;
      const entry = Number(number);
      return entry >= 0 && entry < entries.length
        ? entries.at(entry)
        : fail('it refers to what its dictionary has not');
    },
  };
}

/** The column itself, be it a dictionary's. */
export function readValues(
  field: Field,
  supply: Supply,
  dictionaries: Dictionaries,
  faults: Faults,
): Column {
  const { fail } = faults(field.path);
  const { type } = field;
  const length = supply.node();
  if (type.kind === 'null') return { length, at: () => null };
  const validity = supply.buffer();
  if (validity.length > 0 && validity.length * 8 < length) fail('it ends too early');
  const child = (index: number): Column =>
    readColumn(field.children[index]!, supply, dictionaries, faults);
  const value = valueReader(type, length, field, supply, child, fail);
  if (validity.length === 0) return { length, at: value };
  return {
    length,
    at: (row) => (((validity[row >> 3]! >> (row & 7)) & 1) === 1 ? value(row) : null),
  };
}

/** How a value is read that is there. */
function valueReader(
  type: Type,
  length: number,
  field: Field,
  supply: Supply,
  child: (index: number) => Column,
  fail: Fail,
): (row: number) => JsonValue {
  /** The next buffer, which holds a value of `width` bytes for each row, and `more` of them. */
  const values = (width: number, more = 0): Buffer => {
    const buffer = supply.buffer();
    const enough = buffer.length >= (length + more) * width;
    // A column without rows may have no offsets at all.
    return enough || length === 0 ? buffer : fail('it ends too early');
  };
  /** From where to where each value reaches in what holds all. */
  const ranges = (layout: 'small' | 'large') => {
    const offsets = values(layout === 'small' ? 4 : 8, 1);
    const offset = (row: number): number =>
      layout === 'small' ? offsets.readInt32LE(4 * row) : Number(offsets.readBigInt64LE(8 * row));
    return (row: number, most: number): readonly [from: number, to: number] => {
      const [from, to] = [offset(row), offset(row + 1)];
      return from >= 0 && from <= to && to <= most ? [from, to] : fail('its offsets are broken');
    };
  };
  const bytes = (part: Uint8Array): JsonValue => {
    if (type.kind === 'text' && !isUtf8(part)) fail('a text is not UTF-8');
    return bytesCell(part);
  };

  switch (type.kind) {
    case 'bool': {
      const bits = supply.buffer();
      if (bits.length * 8 < length) fail('it ends too early');
      return (row) => ((bits[row >> 3]! >> (row & 7)) & 1) === 1;
    }
    case 'int': {
      const read = integerReader(type.bits, type.signed, values(type.bits / 8));
      return (row) => integerCell(read(row));
    }
    case 'float': {
      const buffer = values(type.bits / 8);
      const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
      if (type.bits === 16) return (row) => floatCell(view.getFloat16(2 * row, true));
      if (type.bits === 32) return (row) => floatCell(view.getFloat32(4 * row, true));
      return (row) => floatCell(view.getFloat64(8 * row, true));
    }
    case 'date': {
      const read = integerReader(type.bits, true, values(type.bits / 8));
      return (row) => dateCell(Number(read(row)) / (type.bits === 32 ? 1 : 86_400_000));
    }
    case 'time': {
      const read = integerReader(type.bits, true, values(type.bits / 8));
      return (row) =>
        String(timestampCell(BigInt(read(row)), type.unit, false)).slice('1970-01-01 '.length);
    }
    case 'timestamp': {
      const buffer = values(8);
      return (row) => timestampCell(buffer.readBigInt64LE(8 * row), type.unit, type.isUtc);
    }
    case 'decimal': {
      const width = type.bits / 8;
      const buffer = values(width);
      return (row) => {
        const part = Uint8Array.from(buffer.subarray(row * width, (row + 1) * width)).reverse();
        return decimalCell(bigEndian(part), type.scale);
      };
    }
    case 'fixed': {
      const buffer = values(type.width);
      return (row) => bytes(buffer.subarray(row * type.width, (row + 1) * type.width));
    }
    case 'text':
    case 'bytes': {
      if (type.layout === 'view') return viewReader(values(16), supply, bytes, fail);
      const range = ranges(type.layout);
      const all = supply.buffer();
      return (row) => bytes(all.subarray(...range(row, all.length)));
    }
    case 'list':
    case 'map': {
      const range = ranges(type.layout);
      const items = child(0);
      const list = (row: number): JsonValue[] => {
        const [from, to] = range(row, items.length);
        return Array.from({ length: to - from }, (_, i) => items.at(from + i));
      };
      return type.kind === 'list' ? list : (row) => mapOf(list(row), field);
    }
    case 'fixed-list': {
      const { size } = type;
      const items = child(0);
      if (items.length < length * size) fail('it ends too early');
      return (row) => Array.from({ length: size }, (_, i) => items.at(row * size + i));
    }
    default: {
      const columns = field.children.map(({ name }, i) => ({ name, column: child(i) }));
      if (columns.some(({ column }) => column.length < length)) fail('it ends too early');
      return (row) => objectOf(columns, row);
    }
  }
}

function integerReader(bits: number, signed: boolean, buffer: Buffer) {
  switch (bits) {
    case 8:
      return (row: number) => (signed ? buffer.readInt8(row) : buffer.readUInt8(row));
    case 16:
      return (row: number) => (signed ? buffer.readInt16LE(2 * row) : buffer.readUInt16LE(2 * row));
    case 32:
      return (row: number) => (signed ? buffer.readInt32LE(4 * row) : buffer.readUInt32LE(4 * row));
    default:
      return (row: number) =>
        signed ? buffer.readBigInt64LE(8 * row) : buffer.readBigUInt64LE(8 * row);
  }
}

/** Up to 12 bytes lie in the view itself; of longer ones it says in which buffer, and where. */
function viewReader(
  views: Buffer,
  supply: Supply,
  bytes: (part: Uint8Array) => JsonValue,
  fail: Fail,
): (row: number) => JsonValue {
  const buffers = Array.from({ length: supply.views() }, () => supply.buffer());
  return (row) => {
    const at = 16 * row;
    const size = views.readInt32LE(at);
    if (size >= 0 && size <= 12) return bytes(views.subarray(at + 4, at + 4 + size));
    const [buffer, from] = [buffers[views.readInt32LE(at + 8)], views.readInt32LE(at + 12)];
    const isSound = buffer && size > 0 && from >= 0 && from + size <= buffer.length;
    return isSound ? bytes(buffer.subarray(from, from + size)) : fail('its views are broken');
  };
}

export function objectOf(
  columns: readonly { readonly name: string; readonly column: Column }[],
  row: number,
): JsonObject {
  const result: Record<string, JsonValue> = {};
  for (const { name, column } of columns) {
    const value = column.at(row);
    // Not an assignment where that would set the prototype.
    if (name === '__proto__') Object.defineProperty(result, name, { value, enumerable: true });
    else result[name] = value;
  }
  return result;
}

function mapOf(entries: readonly JsonValue[], field: Field): JsonObject {
  const [key, value] = field.children[0]!.children.map(({ name }) => name);
  return Object.fromEntries(
    (entries as readonly JsonObject[]).map((entry) => [
      String(entry[key ?? '']),
      entry[value ?? ''] ?? null,
    ]),
  );
}
