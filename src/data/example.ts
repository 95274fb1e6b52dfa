/** @file The canonical example: what every row format is read into, and every template renders. */
import type { Place } from '../core/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../files/json.ts';
import { wrongType } from './errors.ts';

/** LLaMA-Factory's roles. `function` is an assistant's turn that calls tools, `observation` their result. */
export type Role = 'user' | 'assistant' | 'observation' | 'function';

export type Message = {
  readonly role: Role;
  /** For `function`, JSON: `{name, arguments}` or a list of them, maybe with thoughts before it. */
  readonly content: string;
  /** Words beside the calls, which a named template drops (as LLaMA-Factory) and the model's own keeps. */
  readonly words?: string;
  /** `reasoning_content`, which a named template drops (as LLaMA-Factory) and the model's own may write. */
  readonly thoughts?: string;
  /** Results that `content` holds joined, one for each call. */
  readonly results?: readonly string[];
};

export type MediaColumn = 'images' | 'videos' | 'audios';

export type Example = {
  /** Prompt and reply in turn. Without a reply (or with `chosen`) the last one is the prompt's. */
  readonly messages: readonly Message[];
  readonly system: string;
  /** The system text that a named template writes, where LLaMA-Factory’s converter changes it. */
  readonly namedSystem?: string;
  /** JSON text of a list, or empty. */
  readonly tools: string;
  readonly media: { readonly [Column in MediaColumn]?: readonly JsonValue[] };
  readonly chosen?: Message;
  readonly rejected?: Message;
  /** Of a row with a `kto_tag`: whether its reply is wanted. */
  readonly desirable?: boolean;
  /** The reply's column, where the row does not even have it; and the columns that it has. */
  readonly absent?: { readonly column: string; readonly found: readonly string[] };
  /** What of the row is left out, as LLaMA-Factory leaves it out; a name in `faults`. */
  readonly lost?: 'trailing-tool-results';
  readonly place: Place;
};

export const isReply = (role: Role): boolean => role === 'assistant' || role === 'function';

/** The row's place, at a key inside it. */
export const at = (place: Place, key: string): Place => ({ ...place, key });

/** How an error names a value: its kind, or the text itself where that is short. */
export function describe(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (isJsonObject(value)) return 'an object';
  if (typeof value === 'string') return value.length <= 40 ? `the text "${value}"` : 'a text';
  return `\`${String(value)}\``;
}

/** Text of a column; null and absent are empty. */
export function textOf(row: JsonObject, column: string | null, place: Place): string {
  if (column === null || !Object.hasOwn(row, column)) return '';
  const value = row[column] ?? null;
  if (value === null) return '';
  if (typeof value !== 'string') throw wrongType(at(place, column), 'a text', describe(value));
  return value;
}
