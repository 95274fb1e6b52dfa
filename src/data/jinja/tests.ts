/** @file Jinja2's tests: what stands after `is`. */
import { JinjaError } from './limits.ts';
import {
  Attributes,
  Callable,
  compare,
  contains,
  equals,
  Float,
  Iteration,
  isDict,
  isInteger,
  isList,
  isNumber,
  Markup,
  type Named,
  numberOf,
  toText,
  Undefined,
  type Value,
} from './values.ts';

type Test = (value: Value, args: readonly Value[], named: Named) => boolean;

export function testNamed(name: string): Test {
  if (Object.hasOwn(tests, name)) return tests[name];
  throw new JinjaError(`No test named '${name}'`);
}

const first = (args: readonly Value[]): Value => {
  if (args.length > 0) return args[0];
  throw new JinjaError('a test misses its argument');
};
const against =
  (test: (a: Value, b: Value) => boolean): Test =>
  (value, args) =>
    test(value, first(args));

const equal = against(equals);
const different = against((a, b) => !equals(a, b));
const less = against((a, b) => compare(a, b, '<') < 0);
const atMost = against((a, b) => compare(a, b, '<=') <= 0);
const greater = against((a, b) => compare(a, b, '>') > 0);
const atLeast = against((a, b) => compare(a, b, '>=') >= 0);

const parity = (value: Value, rest: number): boolean => {
  if (value instanceof Undefined) value.fail();
  if (isInteger(value)) return ((BigInt(value) % 2n) + 2n) % 2n === BigInt(rest);
  if (isNumber(value)) return ((numberOf(value) % 2) + 2) % 2 === rest;
  throw new JinjaError('not all arguments converted during string formatting');
};

const tests: Readonly<Record<string, Test>> = {
  '!=': different,
  '<': less,
  '<=': atMost,
  '==': equal,
  '>': greater,
  '>=': atLeast,
  boolean: (value) => typeof value === 'boolean',
  callable: (value) =>
    value instanceof Callable ||
    (value instanceof Attributes && value.call !== undefined) ||
    value instanceof Undefined,
  defined: (value) => !(value instanceof Undefined),
  divisibleby: against((a, b) => {
    if (!isNumber(a) || !isNumber(b)) throw new JinjaError('divisibleby needs numbers');
    if (numberOf(b) === 0) throw new JinjaError('integer modulo by zero');
    return numberOf(a) % numberOf(b) === 0;
  }),
  eq: equal,
  equalto: equal,
  escaped: (value) => value instanceof Markup,
  even: (value) => parity(value, 0),
  false: (value) => value === false,
  float: (value) => value instanceof Float,
  ge: atLeast,
  greaterthan: greater,
  gt: greater,
  in: against((a, b) => contains(b, a)),
  integer: (value) => isInteger(value),
  iterable: (value) =>
    typeof value === 'string' ||
    isList(value) ||
    isDict(value) ||
    value instanceof Iteration ||
    value instanceof Undefined,
  le: atMost,
  lessthan: less,
  lower: (value) => {
    const text = toText(value);
    return /\p{Ll}/u.test(text) && !/[\p{Lu}\p{Lt}]/u.test(text);
  },
  lt: less,
  mapping: (value) => isDict(value),
  ne: different,
  none: (value) => value === null,
  number: (value) => isNumber(value),
  odd: (value) => parity(value, 1),
  sameas: against((a, b) => a === b || (isInteger(a) && isInteger(b) && equals(a, b))),
  sequence: (value) =>
    typeof value === 'string' || isList(value) || isDict(value) || value instanceof Undefined,
  string: (value) => typeof value === 'string',
  true: (value) => value === true,
  undefined: (value) => value instanceof Undefined,
  upper: (value) => {
    const text = toText(value);
    return /\p{Lu}/u.test(text) && !/\p{Ll}/u.test(text);
  },
};
