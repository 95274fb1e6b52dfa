/** @file A row with the text that it was written in, and how faults of rows are reported. */
import type { Place } from '../../core/errors.ts';
import type { JsonObject } from '../../files/json.ts';

export type RawRow = {
  readonly value: JsonObject;
  /** File, line and row of its beginning. */
  readonly place: Place;
  /** As it stands in the file, where that is text, and where its first character stands. */
  readonly source?: {
    readonly text: string;
    readonly start: Place;
    readonly kind: 'json' | 'line';
  };
};

/** A fault of the file, or of a row that cannot be read at all. `help` is the reader's own. */
export type Reported = (code: string, message: string, place: Place, help?: string) => void;
