/** @file Filters of numbers. */

import { bind, indexOf } from './arguments.ts';
import type { Filter } from './filter.ts';
import { JinjaError } from './limits.ts';
import { strip } from './text.ts';
import {
  Float,
  integer,
  isInteger,
  isNumber,
  type Named,
  numberOf,
  typeName,
  Undefined,
  type Value,
} from './values.ts';

function toInteger(value: Value, args: readonly Value[], named: Named): Value {
  const [fallback = 0, base = 10] = bind('int', ['default', 'base'], args, named);
  if (typeof value === 'boolean') return Number(value);
  if (isInteger(value)) return value;
  if (value instanceof Float)
    return Number.isFinite(value.value) ? integer(BigInt(Math.trunc(value.value))) : fallback;
  if (value instanceof Undefined) value.fail();
  if (typeof value !== 'string') return fallback;
  const text = strip(value, true, true).replace(/(?<=\d)_(?=\d)/g, '');
  if (numberOf(base as number) === 10 && /^[-+]?\d+$/.test(text))
    return integer(BigInt(text.replace(/^\+/, '')));
  if (numberOf(base as number) === 10) {
    const float = toFloatText(text);
    return float === undefined || !Number.isFinite(float)
      ? fallback
      : integer(BigInt(Math.trunc(float)));
  }
  const radix = numberOf(base as number);
  const digits = text.replace(/^([-+]?)0[xXoObB]/, '$1');
  const parsed = Number.parseInt(digits, radix);
  return Number.isNaN(parsed) ||
    parsed.toString(radix) !== digits.toLowerCase().replace(/^\+?0*(?=.)/, '')
    ? fallback
    : parsed;
}

function toFloatText(text: string): number | undefined {
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) return Number(text);
  const word = /^([-+]?)(inf|infinity|nan)$/i.exec(text);
  if (!word) return undefined;
  return word[2].toLowerCase() === 'nan' ? Number.NaN : word[1] === '-' ? -Infinity : Infinity;
}

function toFloat(value: Value, args: readonly Value[], named: Named): Value {
  const [fallback = new Float(0)] = bind('float', ['default'], args, named);
  if (value instanceof Undefined) value.fail();
  if (isNumber(value)) return new Float(numberOf(value));
  const float = typeof value === 'string' ? toFloatText(strip(value, true, true)) : undefined;
  return float === undefined ? fallback : new Float(float);
}

/** Banker's rounding, as Python's `round`. */
function roundFloat(value: number, digits: number): number {
  if (digits > 15) return value;
  const text = value.toFixed(Math.max(0, Math.min(digits, 100)));
  if (digits < 0) {
    const power = 10 ** -digits;
    const scaled = value / power;
    const floor = Math.floor(scaled);
    const up = scaled - floor > 0.5 || (scaled - floor === 0.5 && floor % 2 !== 0);
    return (floor + (up ? 1 : 0)) * power;
  }
  // toFixed rounds exact halves away from zero; a half is exact only with few bits after the point.
  const scaled = Math.abs(value) * 10 ** digits;
  if (
    scaled - Math.floor(scaled) === 0.5 &&
    Math.abs(value) === scaled / 10 ** digits &&
    isExactHalf(value, digits)
  ) {
    const floor = Math.floor(scaled);
    return (Math.sign(value) * (floor % 2 === 0 ? floor : floor + 1)) / 10 ** digits;
  }
  return Number(text);
}

const isExactHalf = (value: number, digits: number): boolean =>
  new RegExp(`\\.\\d{${digits}}50*$`).test(Math.abs(value).toFixed(Math.min(100, digits + 60)));

export const numberFilters: Readonly<Record<string, Filter>> = {
  abs(value) {
    if (value instanceof Float) return new Float(Math.abs(value.value));
    if (!isNumber(value)) {
      if (value instanceof Undefined) value.fail();
      throw new JinjaError(`bad operand type for abs(): '${typeName(value)}'`);
    }
    const whole = BigInt(value as number);
    return integer(whole < 0n ? -whole : whole);
  },
  float: toFloat,
  int: toInteger,
  round(value, args, named) {
    const [precision = 0, method = 'common'] = bind('round', ['precision', 'method'], args, named);
    if (value instanceof Undefined) value.fail();
    if (!isNumber(value))
      throw new JinjaError(`type ${typeName(value)} doesn't define __round__ method`);
    if (method !== 'common' && method !== 'ceil' && method !== 'floor')
      throw new JinjaError('method must be common, ceil or floor');
    const digits = indexOf(precision, 'precision');
    if (method === 'common') {
      if (typeof value === 'boolean') return Number(value);
      if (isInteger(value) && digits >= 0) return value;
      const rounded = roundFloat(numberOf(value), digits);
      return isInteger(value) ? rounded : new Float(rounded);
    }
    const power = 10 ** digits;
    return new Float(Math[method](numberOf(value) * power) / power);
  },
};
