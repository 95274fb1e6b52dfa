/** @file A row as it was read, before its format is applied; and as JSON text, in which it goes to another thread or to the disk. */
import type { Place } from '../core/errors.ts';
import { type JsonObject, toPythonJson } from '../files/json.ts';
import { type JsonBytes, JsonRow, type Row } from '../files/row.ts';
import type { Example } from './example.ts';
import { formats } from './formats/index.ts';
import type { Source } from './sources.ts';

export type RawRow = Row & {
  /** Index of its source among those that are read. */
  readonly source: number;
};

/** A row of a source. Its value is parsed no sooner than the reader's own. */
export function rawRow(source: number, row: Row): RawRow {
  const { place, json } = row;
  if (!json) return { source, place, value: row.value };
  return {
    source,
    place,
    json,
    get value() {
      return row.value;
    },
  };
}

/** A row out of text. */
export const rowOfJson = (source: number, json: JsonBytes, place: Place): RawRow =>
  rawRow(source, new JsonRow(json, place));

/** The row without the bytes that it comes from: they keep their whole buffer. */
export const parsedRow = ({ source, value, place }: RawRow): RawRow => ({ source, value, place });

/** The row's text as it lies in its file; of a row that is no JSON, text that is read as the same value. */
export function jsonOf(row: RawRow): JsonBytes {
  return row.json ?? { bytes: Buffer.from(toText(row.value)), start: row.place, checked: true };
}

/** Keys that JavaScript would sort before all others. */
const numberKeys = /"\d{1,10}":/;

/** Numbers and the order of keys are kept as the file has them. */
function toText(value: JsonObject): string {
  const text = JSON.stringify(value);
  return numberKeys.test(text) ? toPythonJson(value) : text;
}

export function toExample({ source, value, place }: RawRow, sources: readonly Source[]): Example {
  const { format, reading } = sources[source];
  return formats[format]!.read(value, reading, place);
}
