/** @file Tables of FlatBuffers, as the messages of Arrow files hold them, each read checked against the end. */
import { ByteReader, type Fail } from './byte-reader.ts';

/** A table. Fields are named by their number, counted from 0 in the order of the schema. */
export type Table = {
  /** Where a field's value lies; undefined where the table has none. */
  readonly at: (field: number) => ByteReader | undefined;
  readonly table: (field: number) => Table | undefined;
  readonly text: (field: number) => string | undefined;
  /** Where each element of a vector of structures of `size` bytes (of tables: of references) lies. */
  readonly vector: (field: number, size: number) => readonly ByteReader[];
  readonly tables: (field: number) => readonly Table[];
};

const text = new TextDecoder();

/** The table that a buffer begins with a reference to. */
export function rootTable(bytes: Uint8Array, fail: Fail): Table {
  return follow(readerAt(bytes, 0, fail));
}

function readerAt(bytes: Uint8Array, at: number, fail: Fail): ByteReader {
  const reader = new ByteReader(bytes, fail);
  reader.skip(at);
  return reader;
}

/** Where a reference leads to. */
function leap(reader: ByteReader): ByteReader {
  const from = reader.at;
  return readerAt(reader.bytes, from + reader.u32(), reader.fail);
}

function follow(reference: ByteReader): Table {
  const { at: start, bytes, fail } = leap(reference);
  const offset = readerAt(bytes, start, fail).i32();
  const fields = readerAt(bytes, start - offset, fail);
  const size = fields.u16();
  fields.skip(2);
  const slots = Array.from({ length: Math.max(0, (size - 4) >> 1) }, () => fields.u16());

  const at = (field: number): ByteReader | undefined => {
    const slot = slots[field] ?? 0;
    return slot === 0 ? undefined : readerAt(bytes, start + slot, fail);
  };
  const vector = (field: number, width: number): readonly ByteReader[] => {
    const reference = at(field);
    if (!reference) return [];
    const reader = leap(reference);
    const count = reader.u32();
    if (count * width > reader.left) fail('it ends too early');
    return Array.from({ length: count }, (_, i) => readerAt(bytes, reader.at + i * width, fail));
  };
  return {
    at,
    vector,
    table(field) {
      const reference = at(field);
      return reference && follow(reference);
    },
    text(field) {
      const reference = at(field);
      if (!reference) return undefined;
      const reader = leap(reference);
      return text.decode(reader.take(reader.u32()));
    },
    tables: (field) => vector(field, 4).map(follow),
  };
}
