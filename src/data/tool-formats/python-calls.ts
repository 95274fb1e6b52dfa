/** @file Reads `name(key=value, …)`, or a list of such calls, whose values are Python literals; nothing is evaluated. */

import { JsonNumber, type JsonValue, pythonFloat } from '../../files/json.ts';
import { pythonEscapes } from '../python-escapes.ts';
import { objectOf, type ToolCall } from './tool-format.ts';

/** What a text that is not of this form throws; it never leaves this file. */
class NotLiteral extends Error {}
const refuse = (): never => {
  throw new NotLiteral();
};

/** Undefined where the text is anything else. */
export function readPythonCalls(text: string): readonly ToolCall[] | undefined {
  try {
    return readCalls(createReader(text));
  } catch (error) {
    if (error instanceof NotLiteral) return undefined;
    throw error;
  }
}

type Reader = {
  /** Whether the text goes on with this mark, which is then passed. */
  take(mark: string): boolean;
  /** The match at this place, which is then passed. */
  match(pattern: RegExp): RegExpExecArray | undefined;
  readonly done: boolean;
};

function createReader(text: string): Reader {
  let at = 0;
  const skip = (): void => {
    const space = /(?:\s|#[^\n]*|\\\n)*/y;
    space.lastIndex = at;
    space.test(text);
    at = space.lastIndex;
  };
  skip();
  const pass = (length: number): void => {
    at += length;
    skip();
  };
  return {
    take(mark) {
      if (!text.startsWith(mark, at)) return false;
      pass(mark.length);
      return true;
    },
    match(pattern) {
      pattern.lastIndex = at;
      const found = pattern.exec(text) ?? undefined;
      if (found) pass(found[0].length);
      return found;
    },
    get done() {
      return at >= text.length;
    },
  };
}

function readCalls(reader: Reader): readonly ToolCall[] {
  const calls = reader.take('[')
    ? readItems(reader, ']', () => readCall(reader))
    : [readCall(reader)];
  return reader.done ? calls : refuse();
}

/** Items with commas between them, and maybe one at the end, up to the closing mark. */
function readItems<Item>(reader: Reader, close: string, read: () => Item): Item[] {
  const items: Item[] = [];
  while (!reader.take(close)) {
    items.push(read());
    if (!reader.take(',')) {
      if (!reader.take(close)) refuse();
      break;
    }
  }
  return items;
}

const word = /[\p{ID_Start}_]\p{ID_Continue}*/uy;
const named = /([\p{ID_Start}_]\p{ID_Continue}*)\s*=(?!=)/uy;
const jsonWords: Readonly<Record<string, JsonValue>> = { true: true, false: false, null: null };

function readCall(reader: Reader): ToolCall {
  const name = reader.match(word)?.[0] ?? refuse();
  if (!reader.take('(')) refuse();
  const given: (readonly [string, JsonValue])[] = [];
  readItems(reader, ')', () => {
    const key = reader.match(named)?.[1];
    const value = readArgument(reader);
    // Those without a name are passed over, and come before the others.
    if (key !== undefined) given.push([key, value]);
    else if (given.length > 0) refuse();
  });
  return { name, arguments: objectOf(given) };
}

/** A literal; JSON's own words are taken too, though not inside a list. */
function readArgument(reader: Reader): JsonValue {
  const json = reader.match(/(?:true|false|null)(?![\p{ID_Continue}(.[])/uy)?.[0];
  return json === undefined ? readValue(reader) : (jsonWords[json] ?? null);
}

function readValue(reader: Reader): JsonValue {
  if (reader.take('[')) return readItems(reader, ']', () => readValue(reader));
  if (reader.take('(')) return readTuple(reader);
  if (reader.take('{')) return readDict(reader);
  const text = readText(reader);
  if (text !== undefined) return text;
  const sign = reader.match(/[+-]/y)?.[0] ?? '';
  const number = readNumber(reader);
  if (number !== undefined) return sign === '-' ? negated(number) : number;
  if (sign !== '') refuse();
  const literal = reader.match(/(?:True|False|None)(?!\p{ID_Continue})/uy)?.[0] ?? refuse();
  return literal === 'None' ? null : literal === 'True';
}

/** `(1)` is 1, and `(1,)` a list. */
function readTuple(reader: Reader): JsonValue {
  const items: JsonValue[] = [];
  let commas = 0;
  while (!reader.take(')')) {
    items.push(readValue(reader));
    if (reader.take(',')) commas++;
    else if (reader.take(')')) break;
    else refuse();
  }
  const [first] = items;
  return items.length === 1 && commas === 0 && first !== undefined ? first : items;
}

function readDict(reader: Reader): JsonValue {
  return objectOf(
    readItems(reader, '}', () => {
      const key = readValue(reader);
      if (!reader.take(':')) refuse();
      return [keyText(key), readValue(reader)] as const;
    }),
  );
}

/** A key as Python's `json.dumps` writes it. */
function keyText(key: JsonValue): string {
  if (typeof key === 'string') return key;
  if (typeof key === 'object' && key !== null && !(key instanceof JsonNumber)) return refuse();
  return String(key);
}

const numberPattern =
  /(?:0[xX](?:_?[\da-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:(?:\d(?:_?\d)*)?\.\d(?:_?\d)*|\d(?:_?\d)*\.?)(?:[eE][+-]?\d(?:_?\d)*)?)(?![\p{ID_Continue}])/uy;

function readNumber(reader: Reader): JsonNumber | undefined {
  const source = reader.match(numberPattern)?.[0].replaceAll('_', '');
  if (source === undefined) return undefined;
  if (/^0[xob]/i.test(source)) return new JsonNumber(String(BigInt(source)));
  if (/[.e]/i.test(source)) {
    const value = Number(source);
    return Number.isFinite(value) ? new JsonNumber(pythonFloat(value)) : refuse();
  }
  if (/^0+[1-9]/.test(source)) refuse();
  return new JsonNumber(String(BigInt(source)));
}

const negated = ({ text }: JsonNumber): JsonNumber =>
  new JsonNumber(text === '0' ? '0' : `-${text}`);

const textPattern =
  /([rRuU]?)(?:"""((?:\\.|(?!""")[^\\])*)"""|'''((?:\\.|(?!''')[^\\])*)'''|"((?:\\.|[^"\\\n])*)"|'((?:\\.|[^'\\\n])*)')/sy;

/** One or more texts side by side, which are one. */
function readText(reader: Reader): string | undefined {
  let whole: string | undefined;
  for (;;) {
    const found = reader.match(textPattern);
    if (!found) return whole;
    const [, prefix = '', ...bodies] = found;
    const body = bodies.find((each) => each !== undefined) ?? '';
    whole = (whole ?? '') + (/r/i.test(prefix) ? body : unescaped(body));
  }
}

const escapePattern =
  /\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([xuUN])|(\r\n|[\s\S]))/g;
/** A backslash before anything that it does not escape stays, as in Python. */
const unescaped = (text: string): string =>
  text.replace(
    escapePattern,
    (
      whole,
      octal?: string,
      x?: string,
      u?: string,
      wide?: string,
      broken?: string,
      one?: string,
    ) => {
      if (broken !== undefined) return refuse();
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      const hex = x ?? u ?? wide;
      if (hex === undefined) return pythonEscapes[one ?? ''] ?? whole;
      const code = Number.parseInt(hex, 16);
      return code > 0x10ffff ? refuse() : String.fromCodePoint(code);
    },
  );
