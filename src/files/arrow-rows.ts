/**
 * @file Rows of Arrow files: the stream that Hugging Face's cache holds, and the file format (Feather too), which is
 * the same stream between a mark and a list of its parts. One batch of rows is in memory.
 */
import { type Column, objectOf, readBatch } from './arrow-columns.ts';
import { type Faults, type Field, readFields } from './arrow-schema.ts';
import { openFile } from './chunks.ts';
import { badArrow, unsupportedArrow } from './errors.ts';
import { rootTable, type Table } from './flatbuffer.ts';
import type { Rows } from './row.ts';

const fileMark = 'ARROW1';
const largestMessage = 256e6;

type Message = { readonly kind: number; readonly table: Table; readonly body: Uint8Array };

export function* arrowRows(path: string): Rows {
  const file = openFile(path);
  try {
    let row: number | undefined;
    const faults: Faults = (key) => {
      const place = () => ({
        file: path,
        ...(row === undefined ? {} : { row }),
        ...(key === undefined ? {} : { key }),
      });
      return {
        fail(what) {
          throw badArrow(place(), what);
        },
        refuse(what) {
          throw unsupportedArrow(place(), what);
        },
      };
    };
    const { fail, refuse } = faults();
    const readAt = (position: number, length: number): Buffer => {
      if (length < 0 || position + length > file.size) fail('it ends too early');
      const bytes = Buffer.allocUnsafeSlow(length);
      if (file.read(bytes, position) < length) fail('it ends too early');
      return bytes;
    };

    const start = readAt(0, Math.min(8, file.size)).toString('latin1');
    if (start.startsWith('FEA1')) refuse('it is of the first version of Feather');
    const messages = readMessages(start.startsWith(fileMark) ? 8 : 0);

    /** Message by message, to the mark of the end: without it, rows may have been lost. */
    function* readMessages(from: number): Generator<Message> {
      for (let at = from; at < file.size; ) {
        let size = readAt(at, 4).readInt32LE(0);
        at += 4;
        // Before version 0.15 the length alone stood here.
        if (size === -1) {
          size = readAt(at, 4).readInt32LE(0);
          at += 4;
        }
        if (size === 0) return;
        if (size < 0 || size > largestMessage) fail('a message is of an impossible length');
        const message = rootTable(readAt(at, size), fail);
        at += size;
        const length = Number(message.at(3)?.i64() ?? 0n);
        const table = message.table(2) ?? fail('a message says nothing');
        yield { kind: message.at(1)?.u8() ?? 0, table, body: readAt(at, length) };
        at += length;
      }
      fail('it is cut off: the mark of its end is missing');
    }

    const first = messages.next();
    if (first.done) return fail('it is empty');
    if (first.value.kind !== 1) fail('it does not begin with its columns');
    const fields = readFields(first.value.table, faults);
    const dictionaryFields = new Map(
      fields
        .flatMap(withinField)
        .flatMap((field) =>
          field.dictionary ? [[field.dictionary.id, { ...field, dictionary: undefined }]] : [],
        ) as [bigint, Field][],
    );
    const dictionaries = new Map<bigint, Column>();

    row = 0;
    for (const { kind, table, body } of messages) {
      if (kind === 2) {
        const id = table.at(0)?.i64() ?? 0n;
        const field = dictionaryFields.get(id) ?? fail('a dictionary belongs to no column');
        const batch = table.table(1) ?? fail('a dictionary is empty');
        const read = readBatch(batch, body, [field], dictionaries, faults).columns[0]!;
        const isMore = (table.at(2)?.u8() ?? 0) !== 0;
        const before = isMore ? dictionaries.get(id) : undefined;
        dictionaries.set(id, before ? joined(before, read) : read);
        continue;
      }
      if (kind !== 3) continue;
      const { rows, columns } = readBatch(table, body, fields, dictionaries, faults);
      const named = columns.map((column, i) => ({ name: fields[i]!.name, column }));
      for (let i = 0; i < rows; i++) {
        const place = { file: path, row };
        yield { value: objectOf(named, i), place };
        row++;
      }
    }
  } finally {
    file.close();
  }
}

/** A field and all below it. */
const withinField = (field: Field): readonly Field[] => [
  field,
  ...field.children.flatMap(withinField),
];

const joined = (before: Column, more: Column): Column => ({
  length: before.length + more.length,
  at: (row) => (row < before.length ? before.at(row) : more.at(row - before.length)),
});
