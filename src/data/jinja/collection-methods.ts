/** @file Methods of `dict` and `list` that do not change them; the sandbox refuses the others. */
import { bind } from './arguments.ts';
import type { Method } from './attributes.ts';
import { JinjaError } from './limits.ts';
import { type Dict, equals, keyOf, keysOf, represent, Tuple, type Value, View } from './values.ts';

export const mutators = {
  dict: new Set(['clear', 'pop', 'popitem', 'setdefault', 'update']),
  list: new Set(['append', 'clear', 'extend', 'insert', 'pop', 'remove', 'reverse', 'sort']),
};

export const itemsOf = (dict: Dict): readonly Value[] => {
  const keys = keysOf(dict);
  let i = 0;
  return [...dict.values()].map((value) => Tuple.of2(keys[i++], value));
};

export const dictMethods: Readonly<Record<string, Method<Dict>>> = {
  copy: (dict) => new Map(dict),
  get(dict, args, named) {
    const [key = null, fallback = null] = bind('get', ['key', 'default'], args, named, 1);
    const value = dict.get(keyOf(key));
    return value === undefined ? fallback : value;
  },
  items: (dict) => View.named('dict_items', itemsOf(dict)),
  keys: (dict) => View.named('dict_keys', keysOf(dict)),
  values: (dict) => View.named('dict_values', dict.values()),
};

export const listMethods: Readonly<Record<string, Method<readonly Value[]>>> = {
  copy: (list) => [...list],
  count: (list, [wanted]) => list.filter((item) => equals(item, wanted)).length,
  index(list, [wanted]) {
    const at = list.findIndex((item) => equals(item, wanted));
    if (at < 0) throw new JinjaError(`${represent(wanted)} is not in list`);
    return at;
  },
};
