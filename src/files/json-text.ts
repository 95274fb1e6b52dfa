/** @file JSON text of a value that was read: number text and key order are as they were in the file. */
import { JsonNumber, type JsonObject, type JsonValue, jsonKeys } from './json.ts';

/** One line, without spaces between its parts. Half a surrogate pair is written as an escape. */
export function toJsonText(value: JsonValue): string {
  if (value instanceof JsonNumber) return value.text;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(toJsonText).join(',')}]`;
  const object = value as JsonObject;
  const members = jsonKeys(object).map(
    (key) => `${JSON.stringify(key)}:${toJsonText(object[key] ?? null)}`,
  );
  return `{${members.join(',')}}`;
}

/** Chunks of a file of rows: one a line for `.jsonl`, an array with one a line for `.json`. */
export function* rowsText(texts: Iterable<string>, ending: '.json' | '.jsonl'): Generator<string> {
  const [open, between, close] = ending === '.json' ? ['[\n', ',\n', '\n]\n'] : ['', '\n', '\n'];
  let chunk = open;
  let first = true;
  for (const text of texts) {
    chunk += first ? text : between + text;
    first = false;
    if (chunk.length < 1 << 18) continue;
    yield chunk;
    chunk = '';
  }
  yield first ? (ending === '.json' ? '[]\n' : '') : chunk + close;
}
