/** @file What a template computes with: Python's values, told apart where JavaScript's would not be. */
import { JsonNumber, jsonKeys, pythonFloat, toPythonJson } from '../../files/json.ts';
import { JinjaError, visit } from './limits.ts';
import { compareText, lengthOf, quote } from './text.ts';

/** Integers are numbers while they are safe, and bigints beyond; floats are `Float`. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Float
  | Markup
  | readonly Value[]
  | Dict
  | Undefined
  | Namespace
  | Callable
  | Iteration
  | Attributes;

export type Dict = ReadonlyMap<Key, Value>;
/** Floats that are whole and booleans are spelled as the integers that they equal in Python. */
export type Key = null | boolean | number | bigint | string;

export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** What `safe` and `escape` give: `+` escapes the HTML of what is put beside it, autoescape or not. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** As a plain text, where it is markup. */
export const unmarked = (value: Value): Value => (value instanceof Markup ? value.text : value);

export class Tuple extends Array<Value> {
  static of2(...items: readonly Value[]): Tuple {
    const tuple = new Tuple();
    for (const item of items) tuple.push(item);
    return tuple;
  }
}

/** `items()`, `keys()` and `values()` of a dict, and `range()`: sequences that print in their own way. */
export class View extends Array<Value> {
  label = '';

  static named(label: string, items: Iterable<Value>): View {
    const view = new View();
    for (const item of items) view.push(item);
    view.label = label;
    return view;
  }
}

/** What a name or key stands for that is not there: nothing where it is printed, an error where it is used. */
export class Undefined {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }

  fail(): never {
    throw new JinjaError(this.message);
  }
}

export class Namespace {
  readonly values = new Map<string, Value>();
}

/** A generator: its items come once. */
export class Iteration {
  readonly items: Iterator<Value>;

  constructor(items: Iterator<Value>) {
    this.items = items;
  }
}

export class Callable {
  readonly name: string;
  readonly call: (args: readonly Value[], named: Named) => Value;

  constructor(name: string, call: (args: readonly Value[], named: Named) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** Something of Jinja's own with attributes (`loop`, `cycler`), which may be callable too. */
export class Attributes {
  readonly name: string;
  readonly get: (attribute: string) => Value | undefined;
  readonly call: Callable['call'] | undefined;

  constructor(name: string, get: Attributes['get'], call?: Callable['call']) {
    this.name = name;
    this.get = get;
    this.call = call;
  }
}

/** Keyword arguments. */
export type Named = ReadonlyMap<string, Value>;
export const noNames: Named = new Map();

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);
export const isDict = (value: Value): value is Dict => value instanceof Map;
export const isInteger = (value: Value): value is number | bigint =>
  typeof value === 'number' || typeof value === 'bigint';
export const isNumber = (value: Value): value is number | bigint | boolean | Float =>
  isInteger(value) || typeof value === 'boolean' || value instanceof Float;

/** An integer in its one form. */
export function integer(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : value;
}

export const numberOf = (value: number | bigint | boolean | Float): number =>
  value instanceof Float ? value.value : Number(value);

export function keyOf(given: Value): Key {
  const value = unmarked(given);
  if (typeof value === 'string' || value === null || typeof value === 'boolean') return value;
  if (isInteger(value)) return value;
  if (value instanceof Float) {
    return Number.isInteger(value.value) ? integer(BigInt(value.value)) : value.value;
  }
  throw new JinjaError(`unhashable type: '${typeName(value)}'`);
}

const keyValue = (key: Key): Value =>
  typeof key === 'number' && !Number.isInteger(key) ? new Float(key) : key;

/** The keys of a dict, as values. */
export const keysOf = (dict: Dict): readonly Value[] => [...dict.keys()].map(keyValue);

export function truthy(value: Value): boolean {
  if (value === null || value === false || value === 0 || value === '') return false;
  if (isList(value)) return value.length > 0;
  if (isDict(value)) return value.size > 0;
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof Markup) return value.text !== '';
  if (value instanceof Undefined) return false;
  return true;
}

export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  if (typeof value === 'boolean') return 'bool';
  if (isInteger(value)) return 'int';
  if (typeof value === 'string') return 'str';
  if (value instanceof Float) return 'float';
  if (value instanceof Markup) return 'Markup';
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof View) return value.label;
  if (isList(value)) return 'list';
  if (isDict(value)) return 'dict';
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof Namespace) return 'Namespace';
  if (value instanceof Iteration) return 'generator';
  return value instanceof Attributes ? value.name : 'function';
}

/** `str(value)`. */
export function toText(value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof Markup) return value.text;
  if (value instanceof Undefined) return '';
  return represent(value, 0);
}

const floatText = (value: number): string =>
  Number.isFinite(value) || Number.isNaN(value)
    ? pythonFloat(value).replace('NaN', 'nan')
    : value > 0
      ? 'inf'
      : '-inf';

/** `repr(value)`. */
export function represent(value: Value, depth = 0): string {
  visit();
  if (depth > 500) throw new JinjaError('it prints a value that is nested too deeply');
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'string') return quote(value);
  if (isInteger(value)) return String(value);
  if (value instanceof Float) return floatText(value.value);
  if (value instanceof Markup) return `Markup(${quote(value.text)})`;
  const items = (all: readonly Value[]): string =>
    all.map((item) => represent(item, depth + 1)).join(', ');
  if (value instanceof Tuple)
    return value.length === 1 ? `(${items(value)},)` : `(${items(value)})`;
  if (value instanceof View) {
    return value.label === 'range'
      ? `range(${represent(value[0] ?? 0)}, ${value.length === 0 ? 0 : numberOf(value.at(-1) as number) + 1})`
      : `${value.label}([${items(value)}])`;
  }
  if (isList(value)) return `[${items(value)}]`;
  if (isDict(value)) {
    const entries = [...value].map(
      ([key, item]) => `${represent(keyValue(key))}: ${represent(item, depth + 1)}`,
    );
    return `{${entries.join(', ')}}`;
  }
  if (value instanceof Undefined) return 'Undefined';
  // Python prints the address of these in memory: no template of use writes that.
  return `<${typeName(value)} object>`;
}

export function equals(a: Value, b: Value): boolean {
  if (a === b) return true;
  visit();
  if (a instanceof Markup || b instanceof Markup) return unmarked(a) === unmarked(b);
  if (isNumber(a) && isNumber(b)) {
    if (a instanceof Float || b instanceof Float) return numberOf(a) === numberOf(b);
    return BigInt(a) === BigInt(b);
  }
  if (isList(a) && isList(b)) {
    return (
      a instanceof Tuple === b instanceof Tuple &&
      a.length === b.length &&
      a.every((item, i) => equals(item, b[i]))
    );
  }
  if (isDict(a) && isDict(b)) {
    if (a.size !== b.size) return false;
    for (const [key, item] of a) {
      const other = b.get(key);
      if (other === undefined || !equals(item, other)) return false;
    }
    return true;
  }
  return a instanceof Undefined && b instanceof Undefined;
}

/** Less than zero where `a` comes first. */
export function compare(a: Value, b: Value, operator = '<'): number {
  visit();
  if (a instanceof Undefined) a.fail();
  if (b instanceof Undefined) b.fail();
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (isNumber(a) && isNumber(b)) {
    if (a instanceof Float || b instanceof Float) {
      const [left, right] = [numberOf(a), numberOf(b)];
      return left < right ? -1 : left > right ? 1 : left === right ? 0 : Number.NaN;
    }
    const [left, right] = [BigInt(a), BigInt(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (isList(a) && isList(b) && a instanceof Tuple === b instanceof Tuple) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      if (!equals(a[i], b[i])) return compare(a[i], b[i], operator);
    }
    return a.length - b.length;
  }
  throw new JinjaError(
    `'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`,
  );
}

/** The items that a loop or a filter goes over. */
export function* iterate(given: Value): Generator<Value> {
  const value = unmarked(given);
  if (typeof value === 'string') yield* value;
  else if (isList(value)) yield* value;
  else if (isDict(value)) yield* keysOf(value);
  else if (value instanceof Iteration) {
    for (let next = value.items.next(); !next.done; next = value.items.next()) yield next.value;
  } else if (!(value instanceof Undefined))
    throw new JinjaError(`'${typeName(value)}' object is not iterable`);
}

export function sizeOf(value: Value): number {
  if (typeof value === 'string') return lengthOf(value);
  if (isList(value)) return value.length;
  if (isDict(value)) return value.size;
  if (value instanceof Undefined) return 0;
  throw new JinjaError(`object of type '${typeName(value)}' has no len()`);
}

export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string') {
    if (typeof item === 'string') return container.includes(item);
    throw new JinjaError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (isDict(container)) return container.has(keyOf(item));
  if (!isList(container) && !(container instanceof Undefined) && !(container instanceof Iteration))
    throw new JinjaError(`argument of type '${typeName(container)}' is not iterable`);
  for (const each of iterate(container)) if (equals(each, item)) return true;
  return false;
}

/** A value of a file, or of our own making, as a template sees it. */
export function fromJson(value: unknown): Value {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') {
    // From 1e21 on JavaScript writes an exponent: only a float's text is the same there.
    if (!Number.isInteger(value) || Math.abs(value) >= 1e21 || Object.is(value, -0))
      return new Float(value);
    return Number.isSafeInteger(value) ? value : BigInt(value);
  }
  if (typeof value === 'bigint') return integer(value);
  if (value instanceof JsonNumber) {
    return /[.eE]/.test(value.text) ? new Float(Number(value.text)) : integer(BigInt(value.text));
  }
  if (Array.isArray(value)) return value.map(fromJson);
  const object = value as Parameters<typeof jsonKeys>[0];
  return new Map(jsonKeys(object).map((key) => [key, fromJson(Reflect.get(object, key))]));
}

export type JsonOptions = NonNullable<Parameters<typeof toPythonJson>[1]>;

/** `json.dumps`. */
export const toJson = (value: Value, options: JsonOptions): string =>
  toPythonJson(plain(value), options);

function plain(value: Value): unknown {
  visit();
  if (value instanceof Markup) return value.text;
  if (value instanceof Float) return new JsonNumber(pythonFloat(value.value));
  if (
    value instanceof View ||
    (typeof value === 'object' && value !== null && !isList(value) && !isDict(value))
  )
    throw new JinjaError(`Object of type ${typeName(value)} is not JSON serializable`);
  if (isList(value)) return value.map(plain);
  if (isDict(value)) {
    return new Map(
      [...value].map(([key, item]) => [
        key !== null && typeof key === 'number' ? toText(keyValue(key)) : key,
        plain(item),
      ]),
    );
  }
  return value;
}
