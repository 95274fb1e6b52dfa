/** @file Arithmetic and slices with Python's results: floors, floats, repetition, formatting with `%`. */
import { type Budget, JinjaError } from './limits.ts';
import type { Operator } from './nodes.ts';
import { characters, escapeHtml, lengthOf, sliceOf } from './text.ts';
import {
  Float,
  integer,
  isDict,
  isInteger,
  isList,
  isNumber,
  Markup,
  numberOf,
  represent,
  Tuple,
  toText,
  typeName,
  Undefined,
  unmarked,
  type Value,
  View,
} from './values.ts';

type Numeric = number | bigint | boolean | Float;

/** Bits of the largest integer that `**` and `*` may make. */
const largestBits = 1 << 16;

export function binary(operator: Operator, a: Value, b: Value, budget: Budget): Value {
  if (a instanceof Markup || b instanceof Markup) return withMarkup(operator, a, b, budget);
  if (a instanceof Undefined) a.fail();
  if (b instanceof Undefined && typeof a !== 'string') b.fail();
  if (isNumber(a) && isNumber(b)) return arithmetic(operator, a, b);
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') {
      budget.text(a.length + b.length);
      return a + b;
    }
    if (
      isList(a) &&
      isList(b) &&
      isTuple(a) === isTuple(b) &&
      !(a instanceof View || b instanceof View)
    ) {
      budget.list(a.length + b.length);
      return a instanceof Tuple ? Tuple.of2(...a, ...b) : [...a, ...b];
    }
    if (typeof a === 'string' && !(b instanceof Undefined))
      throw new JinjaError(`can only concatenate str (not "${typeName(b)}") to str`);
  }
  if (operator === '*') {
    if (isInteger(b) || typeof b === 'boolean')
      return repeat(a, Number(b), budget) ?? fail(operator, a, b);
    if (isInteger(a) || typeof a === 'boolean')
      return repeat(b, Number(a), budget) ?? fail(operator, a, b);
  }
  if (operator === '%' && typeof a === 'string') return percent(a, b, budget);
  if (b instanceof Undefined) b.fail();
  return fail(operator, a, b);
}

/** As markupsafe has it: a text beside markup is escaped, and all of it is markup. */
function withMarkup(operator: Operator, a: Value, b: Value, budget: Budget): Value {
  const escaped = (value: Value): Value =>
    typeof value === 'string' ? escapeHtml(value) : unmarked(value);
  if (operator === '+') return new Markup(toText(binary('+', escaped(a), escaped(b), budget)));
  const result = binary(operator, unmarked(a), unmarked(b), budget);
  return typeof result === 'string' ? new Markup(result) : result;
}

const isTuple = (value: Value): boolean => value instanceof Tuple;

function fail(operator: string, a: Value, b: Value): never {
  throw new JinjaError(
    `unsupported operand type(s) for ${operator}: '${typeName(a)}' and '${typeName(b)}'`,
  );
}

function repeat(value: Value, times: number, budget: Budget): Value | undefined {
  const count = Math.max(0, times);
  if (typeof value === 'string') {
    budget.text(value.length * count);
    return value.repeat(count);
  }
  if (!isList(value) || value instanceof View) return undefined;
  budget.list(value.length * count);
  const items = Array.from({ length: count }, () => value).flat();
  return value instanceof Tuple ? Tuple.of2(...items) : items;
}

function arithmetic(operator: Operator, a: Numeric, b: Numeric): Value {
  const right = numberOf(b);
  if ((operator === '/' || operator === '//' || operator === '%') && right === 0)
    throw new JinjaError('division by zero');
  if (a instanceof Float || b instanceof Float || operator === '/') {
    return new Float(floats(operator, numberOf(a), right));
  }
  if (operator === '**' && right < 0) return new Float(floats(operator, numberOf(a), right));
  // Numbers where that is exact, bigints beyond.
  const left = Number(a);
  if (typeof a !== 'bigint' && typeof b !== 'bigint' && operator !== '**') {
    const quick = small(operator, left, right);
    if (Number.isSafeInteger(quick)) return quick === 0 ? 0 : quick;
  }
  return integer(large(operator, BigInt(a), BigInt(b)));
}

function small(operator: Operator, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '//':
      return Math.floor(a / b);
    default:
      return ((a % b) + b) % b;
  }
}

function large(operator: Operator, a: bigint, b: bigint): bigint {
  const bits = (value: bigint): number => (value < 0n ? -value : value).toString(16).length * 4;
  const size = operator === '**' ? bits(a) * Number(b) : operator === '*' ? bits(a) + bits(b) : 0;
  if (size > largestBits && !(operator === '**' && (a === 0n || a === 1n || a === -1n)))
    throw new JinjaError('it computes with numbers that are too large');
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '**':
      return a ** b;
    case '//':
      return (a - modulo(a, b)) / b;
    default:
      return modulo(a, b);
  }
}

const modulo = (a: bigint, b: bigint): bigint => ((a % b) + b) % b;

function floats(operator: Operator, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return Math.floor(a / b);
    case '%': {
      const rest = a % b;
      if (rest === 0) return b < 0 ? -0 : 0;
      return rest < 0 !== b < 0 ? rest + b : rest;
    }
    case '**':
      if (a === 0 && b < 0) throw new JinjaError('0.0 cannot be raised to a negative power');
      return a ** b;
  }
}

export function negative(value: Value): Value {
  if (value instanceof Undefined) value.fail();
  if (value instanceof Float) return new Float(-value.value);
  if (!isNumber(value)) throw new JinjaError(`bad operand type for unary -: '${typeName(value)}'`);
  return integer(-BigInt(value));
}

export function positive(value: Value): Value {
  if (value instanceof Undefined) value.fail();
  if (!isNumber(value)) throw new JinjaError(`bad operand type for unary +: '${typeName(value)}'`);
  return typeof value === 'boolean' ? Number(value) : value;
}

/** Python's `%` on a text: `%s`, `%r`, `%d`, `%i`, `%f`, `%x` with flags, width and precision. */
export function percent(format: string, given: Value, budget: Budget): string {
  const values = given instanceof Tuple ? [...given] : [given];
  let next = 0;
  const text = format.replace(
    /%(?:\((\w+)\))?([-+ 0#]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g,
    (
      _,
      name: string | undefined,
      flags: string,
      width: string,
      precision: string | undefined,
      kind: string,
    ) => {
      if (kind === '%') return '%';
      let value: Value;
      if (name !== undefined) {
        if (!isDict(given)) throw new JinjaError('format requires a mapping');
        const found = given.get(name);
        if (found === undefined) throw new JinjaError(`KeyError: '${name}'`);
        value = found;
      } else {
        if (next >= values.length) throw new JinjaError('not enough arguments for format string');
        value = values[next++];
      }
      budget.text(Number(width) + Number(precision ?? 0));
      return pad(convert(value, kind, precision, flags), Number(width), flags);
    },
  );
  // Whatever has items by key passes as a mapping of which nothing need be used.
  const isMapping =
    isDict(given) || given instanceof Undefined || (isList(given) && !isTuple(given));
  if (next < values.length && !isMapping)
    throw new JinjaError('not all arguments converted during string formatting');
  budget.text(text.length);
  return text;
}

function convert(value: Value, kind: string, precision: string | undefined, flags: string): string {
  const cut = (text: string): string =>
    precision === undefined ? text : sliceOf(text, 0, Number(precision));
  if (kind === 's') return cut(toText(value));
  if (kind === 'r') return cut(represent(value));
  if (!isNumber(value))
    throw new JinjaError(`%${kind} format: a real number is required, not ${typeName(value)}`);
  const sign = (text: string): string =>
    text.startsWith('-')
      ? text
      : flags.includes('+')
        ? `+${text}`
        : flags.includes(' ')
          ? ` ${text}`
          : text;
  if (kind === 'd' || kind === 'i') {
    const whole = value instanceof Float ? BigInt(Math.trunc(value.value)) : BigInt(value);
    return sign(String(whole));
  }
  if (kind === 'f' || kind === 'F')
    return sign(numberOf(value).toFixed(Math.min(Number(precision ?? 6), 100)));
  if (kind === 'x' && !(value instanceof Float)) return sign(BigInt(value).toString(16));
  throw new JinjaError(`unsupported format character '${kind}'`);
}

function pad(text: string, width: number, flags: string): string {
  const missing = width - lengthOf(text);
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (flags.includes('0')) {
    const sign = /^[-+ ]/.test(text) ? text[0] : '';
    return sign + '0'.repeat(missing) + text.slice(sign.length);
  }
  return ' '.repeat(missing) + text;
}

/** `value[start:stop:step]`; undefined where the value has no slices. */
export function slice(value: Value, start: Value, stop: Value, step: Value): Value | undefined {
  if (typeof value !== 'string' && !isList(value)) return undefined;
  if (value instanceof View && value.label !== 'range') return undefined;
  const by = bound(step) ?? 1;
  if (by === 0) throw new JinjaError('slice step cannot be zero');
  const all = typeof value === 'string' ? characters(value) : value;
  const length = all.length;
  const clamp = (given: number | undefined, fallback: number): number => {
    if (given === undefined) return fallback;
    const at = given < 0 ? given + length : given;
    return by > 0 ? Math.min(Math.max(at, 0), length) : Math.min(Math.max(at, -1), length - 1);
  };
  const from = clamp(bound(start), by > 0 ? 0 : length - 1);
  const to = clamp(bound(stop), by > 0 ? length : -1);
  if (by === 1) {
    if (typeof all === 'string') return all.slice(from, to);
    const part = all.slice(from, Math.max(from, to));
    if (typeof value === 'string') return part.join('');
    return value instanceof Tuple ? Tuple.of2(...part) : [...part];
  }
  const items: Value[] = [];
  for (let i = from; by > 0 ? i < to : i > to; i += by) items.push(all[i]);
  if (typeof value === 'string') return items.join('');
  return value instanceof Tuple ? Tuple.of2(...items) : items;
}

function bound(value: Value): number | undefined {
  if (value === null) return undefined;
  if (isInteger(value) || typeof value === 'boolean') return Number(value);
  throw new JinjaError('slice indices must be integers or None or have an __index__ method');
}
