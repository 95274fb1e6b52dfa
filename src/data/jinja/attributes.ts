/** @file `object.name` and `object[key]`, as Jinja2's sandbox looks them up: attribute or item first, then the other. */
import { dictMethods, listMethods, mutators } from './collection-methods.ts';
import type { Budget } from './limits.ts';
import { characters } from './text.ts';
import { textMethods } from './text-methods.ts';
import {
  Attributes,
  Callable,
  Float,
  isDict,
  isInteger,
  isList,
  keyOf,
  type Named,
  Namespace,
  represent,
  Tuple,
  typeName,
  Undefined,
  unmarked,
  type Value,
  View,
} from './values.ts';

export type Method<T> = (self: T, args: readonly Value[], named: Named, budget: Budget) => Value;

/** The method of a value that has one by this name. */
function methodOf(object: Value, name: string, budget: Budget): Value | undefined {
  const bind = <T>(methods: Readonly<Record<string, Method<T>>>, self: T): Value | undefined =>
    Object.hasOwn(methods, name)
      ? new Callable(name, (args, named) => methods[name](self, args.map(unmarked), named, budget))
      : undefined;
  if (typeof object === 'string') return bind(textMethods, object);
  if (isDict(object)) {
    if (mutators.dict.has(name)) return unsafe(object, name);
    return bind(dictMethods, object);
  }
  if (isList(object)) {
    if (!(object instanceof Tuple || object instanceof View) && mutators.list.has(name))
      return unsafe(object, name);
    if (object instanceof View || (object instanceof Tuple && name === 'copy')) return undefined;
    return bind(listMethods, object);
  }
  if (object instanceof Float && name === 'is_integer')
    return new Callable(name, () => Number.isInteger(object.value));
  if (isInteger(object) || typeof object === 'boolean') {
    if (name === 'real' || name === 'numerator') return Number(object);
  }
  if (object instanceof Callable && name === 'name') return object.name;
  if (object instanceof Attributes) return object.get(name);
  if (object instanceof Namespace) return object.values.get(name);
  return undefined;
}

const unsafe = (object: Value, name: string): Undefined =>
  new Undefined(`access to attribute '${name}' of '${typeName(object)}' object is unsafe.`);

/** What `object[key]` is, without a look at attributes. */
function itemOf(object: Value, key: Value): Value | undefined {
  if (isDict(object)) {
    if (isList(key) || isDict(key)) return undefined;
    if (key instanceof Undefined) return undefined;
    return object.get(keyOf(key));
  }
  if (!isInteger(key) && typeof key !== 'boolean') return undefined;
  if (
    typeof object !== 'string' &&
    (!isList(object) || (object instanceof View && object.label !== 'range'))
  )
    return undefined;
  const all = typeof object === 'string' ? characters(object) : object;
  const index = Number(key);
  return all[index < 0 ? index + all.length : index];
}

const dunder = /^__\w+__$/;

export function getAttribute(object: Value, name: string, budget: Budget): Value {
  if (object instanceof Undefined) return object.fail();
  if (dunder.test(name) && !isDict(object)) return unsafe(object, name);
  const method = methodOf(object, name, budget);
  if (method !== undefined) return method;
  const item = itemOf(object, name);
  return item === undefined ? missing(object, name) : item;
}

export function getItem(object: Value, key: Value, budget: Budget): Value {
  if (object instanceof Undefined) return object.fail();
  const item = itemOf(object, key);
  if (item !== undefined) return item;
  const method = typeof key === 'string' ? methodOf(object, key, budget) : undefined;
  return method === undefined ? missing(object, key) : method;
}

function missing(object: Value, key: Value): Undefined {
  const of = object === null ? 'None' : `${typeName(object)} object`;
  return new Undefined(
    typeof key === 'string'
      ? `'${of}' has no attribute '${key}'`
      : `${of} has no element ${represent(key)}`,
  );
}
