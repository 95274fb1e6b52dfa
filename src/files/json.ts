/**
 * @file JSON (RFC 8259) read so that it can be printed as Python prints it: number text and key order
 * are kept where JavaScript would lose them, and a syntax error has its line and column.
 */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import type { Place } from '../core/errors.ts';
import { badJson, notUtf8, readFault } from './errors.ts';

/** A number whose text in JavaScript would differ from its text in the file: `1.0`, `1e5`, 20 digits. */
export class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  valueOf(): number {
    return Number(this.text);
  }

  toString(): string {
    return this.text;
  }

  /** `JSON.stringify` keeps the text. */
  toJSON(): unknown {
    const rawJson: unknown = Reflect.get(JSON, 'rawJSON');
    return typeof rawJson === 'function' ? rawJson.call(JSON, this.text) : Number(this.text);
  }
}

export type JsonObject = { readonly [key: string]: JsonValue };
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | JsonNumber
  | readonly JsonValue[]
  | JsonObject;

/** The keys as they stand in the file, where JavaScript, which puts `"10"` before `"b"`, has another order. */
const keyOrder: unique symbol = Symbol('key order');

/** Deeper nesting is refused: Python refuses it near 1000, and recursion is safe below it. */
export const maxDepth = 500;

/** In one row: a hundred thousand times what a conversation has. Millions of empty ones would fill the memory. */
const maxLists = 1_000_000;

const isIndex = (key: string): boolean => /^(0|[1-9]\d{0,9})$/.test(key);

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof JsonNumber);

/** The keys of an object in the order of its source. */
export function jsonKeys(object: JsonObject): readonly string[] {
  const order: unknown = Reflect.get(object, keyOrder);
  return Array.isArray(order) ? order : Object.keys(object);
}

export type ParseOptions = {
  /**
   * Refuses what other readers drop or change in silence: a key that stands twice in one object (of which Python
   * keeps the last) and half of a surrogate pair (which is no text, and no tokenizer can take).
   */
  readonly strict?: boolean;
};

/** Parses text. `place` is where the text begins: its file, and its line where that is not 1. */
export function parseJson(text: string, place: Place, options: ParseOptions = {}): JsonValue {
  if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
  const strict = options.strict ?? false;
  return parseFast(text, strict) ?? parseExactly(text, place, strict);
}

/** Texts that are longer are surveyed before `JSON.parse` builds what may be millions of lists. */
const largeText = 1 << 20;

/** A number outside of quotes whose text JavaScript may not keep (inside of them it is a false alarm). */
const oddNumber = /(?:^|[[,:])\s*(-0|-?\d+(?:[.eE]|\d{15})[-+.eE\d]*)/g;
const halfPair = /\\u[dD][89a-fA-F]/;

/**
 * What `JSON.parse` makes of the text, where that is exact; undefined where it is not, or where the text is no JSON,
 * whose fault and place the exact parser then finds.
 */
function parseFast(text: string, strict: boolean): JsonValue | undefined {
  if (text.length > largeText && isHuge(text, strict)) return undefined;
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
  const survey: Survey = { keys: 0, numbers: false, reordered: false };
  if (!look(value, 0, survey) || survey.reordered) return undefined;
  if (survey.numbers && losesNumbers(text)) return undefined;
  if (strict && survey.keys !== countKeys(text)) return undefined;
  if (strict && text.includes('\\u') && halfPair.test(text)) return undefined;
  return value;
}

type Survey = { keys: number; numbers: boolean; reordered: boolean };

/** Goes through a parsed value; false where it is nested too deep. */
function look(value: JsonValue, depth: number, survey: Survey): boolean {
  if (typeof value === 'number') survey.numbers = true;
  if (typeof value !== 'object' || value === null) return true;
  if (depth > maxDepth) return false;
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) {
      if (!look(item, depth + 1, survey)) return false;
    }
    return true;
  }
  let first = true;
  for (const key in value) {
    // JavaScript puts keys that look like an index in front, so the first one tells.
    if (first && isIndex(key)) survey.reordered = true;
    first = false;
    survey.keys++;
    if (!look((value as JsonObject)[key]!, depth + 1, survey)) return false;
  }
  return true;
}

function losesNumbers(text: string): boolean {
  oddNumber.lastIndex = 0;
  for (let found = oddNumber.exec(text); found; found = oddNumber.exec(text)) {
    if (String(Number(found[1])) !== found[1]) return true;
  }
  return false;
}

/** How many keys a sound JSON text holds, those that stand twice counted twice. */
function countKeys(text: string): number {
  let count = 0;
  for (let colon = text.indexOf(':'); colon >= 0; colon = text.indexOf(':', colon + 1)) {
    let at = colon - 1;
    while (isSpace(text.charCodeAt(at))) at--;
    // After a quote stands the colon of a key; a quote that is part of a text has a backslash before it.
    if (text.charCodeAt(at) !== 34) continue;
    if (text.charCodeAt(at - 1) !== 92 || !isEscaped(text, at)) count++;
  }
  return count;
}

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);

/** Whether brackets are nested deeper, or more of them open, than we read; found without building anything. */
function isHuge(text: string, strict: boolean): boolean {
  let depth = 0;
  let opened = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 34) {
      do {
        at = text.indexOf('"', at + 1);
        if (at < 0) return false;
      } while (isEscaped(text, at));
    } else if (code === 91 || code === 123) {
      if (++depth > maxDepth || (++opened > maxLists && strict)) return true;
    } else if (code === 93 || code === 125) depth--;
  }
  return false;
}

/** Whether an odd number of backslashes stands before the quote at `at`. */
function isEscaped(text: string, at: number): boolean {
  let from = at;
  while (text.charCodeAt(from - 1) === 92) from--;
  return (at - from) % 2 === 1;
}

/** Reads and parses a file of ordinary size (configs, indexes, manifests). */
export function readJson(path: string): JsonValue {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw readFault(path, error);
  }
  return numbers(parseJson(decodeUtf8(bytes, { file: path }), { file: path }));
}

/** Configurations mean numbers, however they are written: `1e-05` as transformers has it. */
function numbers(value: JsonValue): JsonValue {
  if (value instanceof JsonNumber) return Number(value);
  if (Array.isArray(value)) return value.map(numbers);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, numbers(each)]));
}

/** Text of UTF-8 bytes; anything else is an error that names the place. */
export function decodeUtf8(bytes: Uint8Array, place: Place): string {
  if (isUtf8(bytes)) {
    const { buffer, byteOffset, byteLength } = bytes;
    const same = bytes instanceof Buffer ? bytes : Buffer.from(buffer, byteOffset, byteLength);
    return same.toString('utf8');
  }
  const utf16 =
    (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  throw notUtf8(place, utf16 ? ' (it begins as UTF-16 does)' : '');
}

const literals: readonly (readonly [string, null | boolean])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];
const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const spacePattern = /[ \t\n\r]*/y;

function parseExactly(text: string, start: Place, strict: boolean): JsonValue {
  let at = 0;
  let opened = 0;

  const fail = (offset: number, found: string): never => {
    throw badJson(placeAt(text, offset, start), found);
  };
  const seen = (): string => {
    if (at >= text.length) return 'the end';
    const rest = text.slice(at, at + 20).split(/[\n\r]/)[0]!;
    return rest === '' ? 'a line break' : `\`${rest}\``;
  };
  const space = (): void => {
    spacePattern.lastIndex = at;
    spacePattern.test(text);
    at = spacePattern.lastIndex;
  };

  const string = (): string => {
    const from = at;
    let end = text.indexOf('"', from + 1);
    while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
    try {
      const result = JSON.parse(end < 0 ? '' : text.slice(from, end + 1)) as string;
      at = end + 1;
      if (strict && !result.isWellFormed()) {
        const half = result.match(/[\ud800-\udbff](?![\udc00-\udfff])|[\udc00-\udfff]/u)![0];
        const code = half.charCodeAt(0).toString(16);
        fail(from, `in this text \`\\u${code}\` stands alone: it is half of a surrogate pair`);
      }
      return result;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return stringFault(from);
    }
  };

  /** What is wrong with the text in quotes that begins at `from`. */
  const stringFault = (from: number): never => {
    for (let i = from + 1; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === 10 || code === 13) fail(from, 'a text in quotes is not closed on its line');
      if (code < 0x20) fail(i, `a control character (code ${code}) stands in a text`);
      if (code !== 92) continue;
      const next = text[++i] ?? 'the end';
      if (!'"\\/bfnrtu'.includes(next)) fail(i - 1, `\`\\${next}\` is no escape`);
      if (next === 'u' && !/^[0-9a-fA-F]{4}$/.test(text.slice(i + 1, i + 5))) {
        fail(i - 1, '`\\u` needs four hexadecimal digits');
      }
    }
    return fail(from, 'a text in quotes is never closed');
  };

  const value = (depth: number): JsonValue => {
    if (depth > maxDepth) return fail(at, `nested more than ${maxDepth} deep`);
    const character = text[at];
    if (strict && (character === '{' || character === '[') && ++opened > maxLists) {
      fail(at, `more than ${maxLists} lists and objects`);
    }
    if (character === '{') return object(depth);
    if (character === '[') return array(depth);
    if (character === '"') return string();
    for (const [word, meaning] of literals) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    numberPattern.lastIndex = at;
    if (!numberPattern.test(text)) return fail(at, valueFault(text, at, seen()));
    const source = text.slice(at, numberPattern.lastIndex);
    at = numberPattern.lastIndex;
    return String(Number(source)) === source ? Number(source) : new JsonNumber(source);
  };

  const array = (depth: number): JsonValue => {
    const items: JsonValue[] = [];
    at++;
    space();
    if (text[at] === ']') {
      at++;
      return items;
    }
    for (;;) {
      items.push(value(depth + 1));
      space();
      const next = text[at];
      if (next !== ',' && next !== ']') fail(at, `expected \`,\` or \`]\`, found ${seen()}`);
      at++;
      if (next === ']') return items;
      space();
      if (text[at] === ']') fail(at, 'a comma stands before `]`');
    }
  };

  const object = (depth: number): JsonValue => {
    const result: Record<string, JsonValue> = {};
    const keys: string[] = [];
    let reordered = false;
    at++;
    space();
    if (text[at] === '}') {
      at++;
      return result;
    }
    for (;;) {
      if (text[at] !== '"') fail(at, `expected a key in double quotes, found ${seen()}`);
      const keyAt = at;
      const key = string();
      if (strict && Object.hasOwn(result, key)) {
        fail(keyAt, `the key "${key}" stands twice in one object`);
      }
      space();
      if (text[at] !== ':') fail(at, `expected \`:\` after the key "${key}", found ${seen()}`);
      at++;
      space();
      const item = value(depth + 1);
      if (!Object.hasOwn(result, key)) keys.push(key);
      reordered ||= isIndex(key);
      // Not an assignment: `__proto__` is a key like any other.
      Object.defineProperty(result, key, {
        value: item,
        writable: true,
        enumerable: true,
        configurable: true,
      });
      space();
      const next = text[at];
      if (next !== ',' && next !== '}') fail(at, `expected \`,\` or \`}\`, found ${seen()}`);
      at++;
      if (next === '}') break;
      space();
      if (text[at] === '}') fail(at, 'a comma stands before `}`');
    }
    if (reordered) Object.defineProperty(result, keyOrder, { value: keys });
    return result;
  };

  space();
  if (at >= text.length) return fail(at, 'it is empty');
  const result = value(0);
  space();
  if (at < text.length) fail(at, `expected the end, found ${seen()}`);
  return result;
}

function valueFault(text: string, at: number, seen: string): string {
  if (text[at] === "'") return 'a text stands in single quotes: JSON takes double quotes only';
  if (/^-?(NaN|Infinity)/.test(text.slice(at, at + 9)))
    return `${seen} is no number in JSON (Python writes it so); null can stand there`;
  if (/^(True|False|None)/.test(text.slice(at, at + 5))) return `${seen} is Python, not JSON`;
  return `expected a value, found ${seen}`;
}

/** Line and column of an offset, counted from where the text begins. */
function placeAt(text: string, offset: number, start: Place): Place {
  const before = text.slice(0, offset);
  const lines = before.split(/\r\n|\n|\r/);
  const column = lines.at(-1)!.length + 1;
  return {
    ...start,
    line: (start.line ?? 1) + lines.length - 1,
    column: lines.length === 1 ? column + (start.column ?? 1) - 1 : column,
  };
}

/** `repr` of a Python float. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const sign = value < 0 ? '-' : '';
  // Both languages print the shortest digits that read back the same; they differ in layout alone.
  const [mantissa, power] = Math.abs(value).toExponential().split('e');
  const digits = mantissa.replace('.', '');
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    const size = String(Math.abs(exponent)).padStart(2, '0');
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${size}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`;
}

export type PythonJsonOptions = {
  readonly indent?: number;
  readonly sortKeys?: boolean;
  /** Python's default; chat templates and tool texts use `false`, which is the default here. */
  readonly ensureAscii?: boolean;
  readonly separators?: readonly [item: string, key: string];
};

/** The text of Python's `json.dumps(value, ensure_ascii=False)`. */
export function toPythonJson(value: unknown, options: PythonJsonOptions = {}): string {
  const { indent, sortKeys = false, ensureAscii = false } = options;
  const [comma, colon] = options.separators ?? [indent === undefined ? ', ' : ',', ': '];

  const list = (open: string, close: string, items: readonly string[], depth: number): string => {
    if (items.length === 0) return open + close;
    if (indent === undefined) return open + items.join(comma) + close;
    const line = `\n${' '.repeat(indent * (depth + 1))}`;
    return `${open}${line}${items.join(comma + line)}\n${' '.repeat(indent * depth)}${close}`;
  };

  const print = (item: unknown, depth: number): string => {
    if (item === null || item === undefined) return 'null';
    if (typeof item === 'boolean') return String(item);
    if (typeof item === 'string') return pythonString(item, ensureAscii);
    if (typeof item === 'bigint') return String(item);
    if (typeof item === 'number') return pythonNumber(item);
    if (item instanceof JsonNumber) return pythonSource(item.text);
    // Cyclic values do not come from files; a depth that no file of ours has ends both.
    if (depth > 2 * maxDepth)
      throw badJson({ file: 'value' }, `nested more than ${2 * maxDepth} deep`);
    if (Array.isArray(item)) {
      return list(
        '[',
        ']',
        item.map((each) => print(each, depth + 1)),
        depth,
      );
    }
    const entries: [string, unknown][] =
      item instanceof Map
        ? [...item].map(([key, each]) => [String(key), each])
        : jsonKeys(item as JsonObject).map((key) => [key, Reflect.get(item, key)]);
    if (sortKeys) entries.sort(([a], [b]) => byCodePoint(a, b));
    const items = entries.map(
      ([key, each]) => pythonString(key, ensureAscii) + colon + print(each, depth + 1),
    );
    return list('{', '}', items, depth);
  };

  return print(value, 0);
}

/** Whole numbers came as integers: below 1e21 JavaScript prints them as they stood. */
function pythonNumber(value: number): string {
  const integer = Number.isInteger(value) && Math.abs(value) < 1e21 && !Object.is(value, -0);
  return integer ? String(value) : pythonFloat(value);
}

/** An integer keeps all its digits; anything with a point or an exponent is a float in Python. */
function pythonSource(text: string): string {
  if (!/[.eE]/.test(text)) return text === '-0' ? '0' : text;
  return pythonFloat(Number(text));
}

function pythonString(text: string, ensureAscii: boolean): string {
  // JSON.stringify escapes what Python does, and lone surrogates besides.
  let quoted = text.isWellFormed()
    ? JSON.stringify(text)
    : `"${text.replace(/[^\ud800-\udfff]+/g, (part) => JSON.stringify(part).slice(1, -1))}"`;
  if (ensureAscii) {
    quoted = quoted.replace(/[\u007f-\uffff]/g, (unit) =>
      unit === '\u007f' ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  }
  return quoted;
}

function byCodePoint(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
