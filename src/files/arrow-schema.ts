/**
 * @file The columns of an Arrow file. Format: https://arrow.apache.org/docs/format/Columnar.html; Schema.fbs, Message.fbs
 * (version 1.5) give the numbers.
 */
import type { Fail } from './byte-reader.ts';
import type { Table } from './flatbuffer.ts';

/** Whether offsets take 64 bits; whether values lie apart, found by views. */
type Layout = 'small' | 'large' | 'view';

export type Type =
  | { readonly kind: 'null' | 'bool' }
  | { readonly kind: 'int'; readonly bits: number; readonly signed: boolean }
  | { readonly kind: 'float'; readonly bits: 16 | 32 | 64 }
  | { readonly kind: 'text' | 'bytes'; readonly layout: Layout }
  | { readonly kind: 'fixed'; readonly width: number }
  | { readonly kind: 'decimal'; readonly scale: number; readonly bits: number }
  | { readonly kind: 'date'; readonly bits: 32 | 64 }
  | { readonly kind: 'time'; readonly bits: number; readonly unit: bigint }
  | { readonly kind: 'timestamp'; readonly unit: bigint; readonly isUtc: boolean }
  | { readonly kind: 'list' | 'map'; readonly layout: Exclude<Layout, 'view'> }
  | { readonly kind: 'fixed-list'; readonly size: number }
  | { readonly kind: 'struct' };

export type Field = {
  readonly name: string;
  readonly path: string;
  readonly type: Type;
  readonly children: readonly Field[];
  /** Where the column holds numbers of values that stand in a dictionary. */
  readonly dictionary: { readonly id: bigint; readonly index: Type } | undefined;
};

const deepest = 100;

export type Faults = (key?: string) => { readonly fail: Fail; readonly refuse: Fail };

export function readFields(schema: Table, faults: Faults): readonly Field[] {
  const { fail, refuse } = faults();
  if (schema.at(0)?.i16() === 1) refuse('its numbers are big-endian');
  const read = (table: Table, parent: string, depth: number): Field => {
    if (depth > deepest) fail('its columns are nested too deep');
    const name = table.text(0) ?? '';
    const path = parent === '' ? name : `${parent}.${name}`;
    const children = table.tables(5).map((child) => read(child, path, depth + 1));
    const encoding = table.table(4);
    const type = readType(table.at(2)?.u8() ?? 0, table.table(3), faults(path).refuse);
    const most = { list: 1, map: 1, 'fixed-list': 1 }[type.kind as string];
    if (most !== undefined && children.length !== most) faults(path).fail('a list has no element');
    return {
      name,
      path,
      type,
      children,
      dictionary: encoding && {
        id: encoding.at(0)?.i64() ?? 0n,
        index: integer(encoding.table(1)),
      },
    };
  };
  return schema.tables(1).map((table) => read(table, '', 0));
}

const integer = (table: Table | undefined): Type => ({
  kind: 'int',
  bits: table?.at(0)?.i32() ?? 32,
  signed: table ? (table.at(1)?.u8() ?? 0) !== 0 : true,
});

/** Seconds, milli-, micro- and nanoseconds. */
const units = [1n, 1_000n, 1_000_000n, 1_000_000_000n] as const;

function readType(number: number, table: Table | undefined, refuse: Fail): Type {
  const unit = (missing: number): bigint => units[table?.at(0)?.i16() ?? missing] ?? 1n;
  const size = (): number => table?.at(0)?.i32() ?? 0;
  switch (number) {
    case 1:
      return { kind: 'null' };
    case 2:
      return integer(table);
    case 3:
      return { kind: 'float', bits: ([16, 32, 64] as const)[table?.at(0)?.i16() ?? 0] ?? 64 };
    case 4:
    case 5:
      return { kind: number === 5 ? 'text' : 'bytes', layout: 'small' };
    case 6:
      return { kind: 'bool' };
    case 7: {
      const [scale, bits] = [table?.at(1)?.i32() ?? 0, table?.at(2)?.i32() ?? 128];
      if (scale < 0 || scale > 76 || ![32, 64, 128, 256].includes(bits)) refuse('a decimal is odd');
      return { kind: 'decimal', scale, bits };
    }
    case 8:
      return { kind: 'date', bits: (table?.at(0)?.i16() ?? 1) === 0 ? 32 : 64 };
    case 9:
      return { kind: 'time', unit: unit(1), bits: table?.at(1)?.i32() ?? 32 };
    case 10:
      return { kind: 'timestamp', unit: unit(0), isUtc: table?.text(1) === 'UTC' };
    case 12:
    case 21:
      return { kind: 'list', layout: number === 21 ? 'large' : 'small' };
    case 13:
      return { kind: 'struct' };
    case 15:
      return { kind: 'fixed', width: Math.max(0, size()) };
    case 16:
      return { kind: 'fixed-list', size: Math.max(0, size()) };
    case 17:
      return { kind: 'map', layout: 'small' };
    case 18:
      return { kind: 'int', bits: 64, signed: true };
    case 19:
    case 20:
      return { kind: number === 20 ? 'text' : 'bytes', layout: 'large' };
    case 23:
    case 24:
      return { kind: number === 24 ? 'text' : 'bytes', layout: 'view' };
    default:
      return refuse(`a column is of a kind that is not read here (number ${number})`);
  }
}
