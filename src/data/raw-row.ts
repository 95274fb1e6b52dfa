/** @file A row as it was read, before its format is applied; and as text, in which it goes to another thread or to the disk. */
import type { Place } from '../core/errors.ts';
import { isJsonObject, type JsonObject, parseJson, toPythonJson } from '../files/json.ts';
import type { Example } from './example.ts';
import { formats } from './formats/index.ts';
import type { Source } from './sources.ts';

export type RawRow = {
  /** Index of its source among those that are read. */
  readonly source: number;
  readonly value: JsonObject;
  readonly place: Place;
};

export type RowText = { readonly source: number; readonly text: string; readonly place: Place };

/** Keys that JavaScript would sort before all others. */
const numberKeys = /"\d{1,10}":/;

/** Numbers and the order of keys are kept as the file has them. */
export function toText({ source, value, place }: RawRow): RowText {
  const text = JSON.stringify(value);
  return { source, text: numberKeys.test(text) ? toPythonJson(value) : text, place };
}

export function fromText({ source, text, place }: RowText): RawRow {
  const value = parseJson(text, place);
  if (!isJsonObject(value)) throw new Error('internal error: a row is no object');
  return { source, value, place };
}

export function toExample({ source, value, place }: RawRow, sources: readonly Source[]): Example {
  const { format, reading } = sources[source];
  return formats[format]!.read(value, reading, place);
}
