/** @file A row of a data set: an object, and where it stands. */
import type { Place, TuneryError } from '../core/errors.ts';
import { rowNotObject } from './errors.ts';
import { decodeUtf8, isJsonObject, type JsonObject, type JsonValue, parseJson } from './json.ts';

export type Row = {
  readonly value: JsonObject;
  readonly place: Place;
  /** What `value` is parsed from, where that is the text of a JSON object. */
  readonly json?: JsonBytes;
};

/** Part of a larger buffer: to be copied where it is kept. */
export type JsonBytes = {
  readonly bytes: Uint8Array;
  /** Where the object begins, line and column. */
  readonly start: Place;
  /** Whether it was read before, so that there is nothing to refuse. */
  readonly checked: boolean;
};

export type Rows = Generator<Row, void, undefined>;

export type OnBadRow = (error: TuneryError) => void;

/** Bytes. The longest books are a tenth of it; what is longer lacks a quote, a bracket or a line break. */
export const largestRow = 64e6;

/** A row that is parsed when its value is first asked for: whoever hands it on as bytes need not. */
export class JsonRow implements Row {
  readonly json: JsonBytes;
  readonly place: Place;
  #value: JsonObject | undefined;

  constructor(json: JsonBytes, place: Place) {
    this.json = json;
    this.place = place;
  }

  get value(): JsonObject {
    this.#value ??= parseRow(this.json);
    return this.#value;
  }
}

function parseRow({ bytes, start, checked }: JsonBytes): JsonObject {
  return asRow(parseJson(decodeUtf8(bytes, start), start, { strict: !checked }), start);
}

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
