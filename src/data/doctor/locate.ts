/** @file Where a value, or a character of it, stands in the JSON text of its row. */
import type { Place } from '../../core/errors.ts';

/** Keys and indexes from the row to a value in it. */
export type Path = readonly (string | number)[];

/** `conversations[2].value` */
export const keyOf = (path: Path): string =>
  path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`))
    .join('');

const space = /[ \t\r\n]*/y;

function skipSpace(text: string, at: number): number {
  space.lastIndex = at;
  space.test(text);
  return space.lastIndex;
}

/** The offset after a text in quotes that begins at `at`. */
export function endOfText(text: string, at: number): number {
  for (let from = at + 1; ; ) {
    const quote = text.indexOf('"', from);
    if (quote < 0) return text.length;
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === 92) slashes++;
    if (slashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

const bare = /[^,\]}\s]*/y;

function endOfValue(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return endOfText(text, at);
  if (first !== '{' && first !== '[') {
    bare.lastIndex = at;
    bare.test(text);
    return bare.lastIndex;
  }
  let depth = 0;
  for (let i = at; i < text.length; ) {
    const character = text[i];
    if (character === '"') {
      i = endOfText(text, i);
      continue;
    }
    if (character === '{' || character === '[') depth++;
    else if ((character === '}' || character === ']') && --depth === 0) return i + 1;
    i++;
  }
  return text.length;
}

export type Member = { readonly key: string; readonly keyAt: number; readonly valueAt: number };

/** The members of the object that begins at `at`, in the order of the text. */
export function* membersOf(text: string, at: number): Generator<Member> {
  for (let i = skipSpace(text, at + 1); text[i] === '"'; ) {
    const end = endOfText(text, i);
    const raw = text.slice(i, end);
    const key: unknown = raw.includes('\\') ? JSON.parse(raw) : raw.slice(1, -1);
    const valueAt = skipSpace(text, skipSpace(text, end) + 1);
    yield { key: String(key), keyAt: i, valueAt };
    const next = skipSpace(text, endOfValue(text, valueAt));
    if (text[next] !== ',') return;
    i = skipSpace(text, next + 1);
  }
}

/** Where the item `index` of the list at `at` begins; undefined where the list is shorter. */
function itemOf(text: string, at: number, index: number): number | undefined {
  let i = skipSpace(text, at + 1);
  for (let item = 0; text[i] !== ']' && i < text.length; item++) {
    if (item === index) return i;
    const next = skipSpace(text, endOfValue(text, i));
    if (text[next] !== ',') return undefined;
    i = skipSpace(text, next + 1);
  }
  return undefined;
}

/** Where the value at `path` begins; of what is not there, where the nearest thing around it does. */
export function offsetOf(text: string, path: Path): number {
  let at = skipSpace(text, 0);
  for (const step of path) {
    let found: number | undefined;
    if (typeof step === 'number') found = text[at] === '[' ? itemOf(text, at, step) : undefined;
    else if (text[at] === '{') {
      // The last one counts, as in Python.
      for (const { key, valueAt } of membersOf(text, at)) if (key === step) found = valueAt;
    }
    if (found === undefined) return at;
    at = found;
  }
  return at;
}

/** From an offset in a text to the offset in its JSON source, whose quote stands at `at`. */
export function insideText(source: string, at: number, offset: number): number {
  if (source[at] !== '"') return at;
  let i = at + 1;
  for (let n = 0; n < offset && i < source.length; n++) {
    i += source[i] === '\\' ? (source[i + 1] === 'u' ? 6 : 2) : 1;
  }
  return i;
}

/** Line and column of an offset in a text that begins at `start`. */
export function placeAt(text: string, offset: number, start: Place): Place {
  let line = start.line ?? 1;
  let lineStart = -1;
  for (let i = text.indexOf('\n'); i >= 0 && i < offset; i = text.indexOf('\n', i + 1)) {
    line++;
    lineStart = i;
  }
  const column = lineStart < 0 ? offset + (start.column ?? 1) : offset - lineStart;
  return { ...start, line, column };
}
