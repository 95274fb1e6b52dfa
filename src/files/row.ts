/** @file A row of a data set: an object, and where it stands. */
import type { Place } from '../core/errors.ts';
import { rowNotObject } from './errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';

export type Row = { readonly value: JsonObject; readonly place: Place };

export type Rows = Generator<Row, void, undefined>;

/** Bytes. The longest books are a tenth of it; what is longer lacks a quote, a bracket or a line break. */
export const largestRow = 64e6;

export function asRow(value: JsonValue, place: Place): JsonObject {
  if (isJsonObject(value)) return value;
  throw rowNotObject(place, describe(value));
}

function describe(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'string') return 'a text';
  return typeof value === 'boolean' ? `${value}` : 'a number';
}
