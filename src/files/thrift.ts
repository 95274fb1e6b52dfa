/** @file Structures of Thrift's compact protocol, as parquet files hold them, by the numbers of their fields. */
import type { ByteReader } from './byte-reader.ts';

/** Integers are bigint, binaries bytes. */
export type ThriftValue =
  | boolean
  | bigint
  | number
  | Uint8Array
  | readonly ThriftValue[]
  | ThriftStruct;
export type ThriftStruct = ReadonlyMap<number, ThriftValue>;

const deepest = 32;

export function readStruct(reader: ByteReader, depth = 0): ThriftStruct {
  if (depth > deepest) reader.fail('its structures are nested too deep');
  const fields = new Map<number, ThriftValue>();
  for (let id = 0; ; ) {
    const head = reader.u8();
    const type = head & 15;
    if (type === 0) return fields;
    id = head >> 4 === 0 ? Number(reader.zigzag()) : id + (head >> 4);
    fields.set(id, type === 1 || type === 2 ? type === 1 : readValue(reader, type, depth));
  }
}

function readValue(reader: ByteReader, type: number, depth: number): ThriftValue {
  switch (type) {
    case 1:
    case 2:
      return reader.u8() === 1;
    case 3:
      return BigInt(reader.u8());
    case 4:
    case 5:
    case 6:
      return reader.zigzag();
    case 7:
      return reader.f64();
    case 8:
      return reader.take(reader.varint32());
    case 9:
    case 10: {
      const head = reader.u8();
      const count = head >> 4 === 15 ? reader.varint32() : head >> 4;
      // Every element takes a byte at least.
      if (count > reader.left) reader.fail('it ends too early');
      return Array.from({ length: count }, () => readValue(reader, head & 15, depth + 1));
    }
    case 12:
      return readStruct(reader, depth + 1);
    default:
      return reader.fail(`a field is of the unknown type ${type}`);
  }
}

const text = new TextDecoder();

export const structOf = (value: ThriftValue | undefined): ThriftStruct | undefined =>
  value instanceof Map ? value : undefined;
export const listOf = (value: ThriftValue | undefined): readonly ThriftValue[] =>
  Array.isArray(value) ? value : [];
export const numberOf = (value: ThriftValue | undefined): number | undefined =>
  typeof value === 'bigint' ? Number(value) : undefined;
export const textOf = (value: ThriftValue | undefined): string | undefined =>
  value instanceof Uint8Array ? text.decode(value) : undefined;
