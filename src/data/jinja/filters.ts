/** @file Jinja2's filters, and `tojson` as transformers has it. */

import { bind, indexOf, textOf } from './arguments.ts';
import { getItem } from './attributes.ts';
import { itemsOf } from './collection-methods.ts';
import type { Filter } from './filter.ts';
import { type Budget, JinjaError } from './limits.ts';
import { numberFilters } from './number-filters.ts';
import { binary } from './operators.ts';
import { testNamed } from './tests.ts';
import { escapeHtml } from './text.ts';
import { textFilters } from './text-filters.ts';
import {
  compare,
  equals,
  Iteration,
  isDict,
  isList,
  iterate,
  keyOf,
  Markup,
  type Named,
  represent,
  sizeOf,
  Tuple,
  toText,
  truthy,
  typeName,
  Undefined,
  unmarked,
  type Value,
} from './values.ts';

export function filterNamed(name: string): Filter {
  if (Object.hasOwn(markupFilters, name)) return markupFilters[name];
  if (Object.hasOwn(filters, name)) {
    const filter = filters[name];
    return (value, args, named, budget) =>
      filter(unmarked(value), args.map(unmarked), named, budget);
  }
  throw new JinjaError(`No filter named '${name}'`);
}

const undefinedOf = (message: string): Undefined => new Undefined(message);

const lazily = (items: Iterator<Value>): Iteration => new Iteration(items);

/** Attributes by a path as `a.b.0`, each looked up as `[…]` is. */
function getter(path: Value, budget: Budget, fallback?: Value): (item: Value) => Value {
  const keys: readonly Value[] =
    typeof path === 'string'
      ? path.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part))
      : path === null
        ? []
        : [path];
  return (item) => {
    let value = item;
    for (const key of keys) {
      value = getItem(value, key, budget);
      if (value instanceof Undefined && fallback !== undefined) value = fallback;
    }
    return value;
  };
}

const lowered = (value: Value): Value => (typeof value === 'string' ? value.toLowerCase() : value);

function sorted(
  items: readonly Value[],
  by: (item: Value) => Value,
  reverse: boolean,
  budget: Budget,
): readonly Value[] {
  budget.list(items.length);
  const keyed = items.map((item) => ({ item, key: by(item) }));
  // Stable in both directions, as Python's.
  keyed.sort((a, b) => {
    budget.spend();
    return reverse ? compare(b.key, a.key) : compare(a.key, b.key);
  });
  return keyed.map(({ item }) => item);
}

/** `map`: a filter by its name, or an attribute. */
function* mapped(
  value: Value,
  args: readonly Value[],
  named: Named,
  budget: Budget,
): Generator<Value> {
  if (!truthy(value)) return;
  let each: (item: Value) => Value;
  if (args.length === 0 && named.has('attribute')) {
    each = getter(named.get('attribute')!, budget, named.get('default'));
  } else {
    const [name, ...rest] = args;
    if (name === undefined) throw new JinjaError('map requires a filter argument');
    const filter = filterNamed(textOf(name, 'filter name'));
    each = (item) => filter(item, rest, named, budget);
  }
  for (const item of iterate(value)) {
    budget.spend();
    yield each(item);
  }
}

/** `select` and its kin: a test by its name, or truth; of an attribute or of the item itself. */
function choosing(keep: boolean, byAttribute: boolean): Filter {
  return (value, args, named, budget) => {
    const [attribute, ...others] = args;
    if (byAttribute && attribute === undefined)
      throw new JinjaError('missing parameter for attribute name');
    const of = byAttribute ? getter(attribute, budget) : (item: Value) => item;
    const [name, ...rest] = byAttribute ? others : args;
    const test = name === undefined ? undefined : testNamed(textOf(name, 'test name'));
    return lazily(
      (function* () {
        // Nothing, whatever its type, is gone over without a complaint.
        if (!truthy(value)) return;
        for (const item of iterate(value)) {
          budget.spend();
          const passes = test ? test(of(item), rest, named) : truthy(of(item));
          if (passes === keep) yield item;
        }
      })(),
    );
  };
}

const extreme =
  (name: string, sign: number): Filter =>
  (value, args, named, budget) => {
    const [sensitive = false, attribute = null] = bind(
      name,
      ['case_sensitive', 'attribute'],
      args,
      named,
    );
    const of = getter(attribute, budget);
    const key = (item: Value): Value => (truthy(sensitive) ? of(item) : lowered(of(item)));
    let best: Value | undefined;
    for (const item of iterate(value)) {
      budget.spend();
      if (best === undefined || sign * compare(key(item), key(best)) > 0) best = item;
    }
    return best === undefined ? undefinedOf('No aggregated item, sequence was empty.') : best;
  };

const length: Filter = (value) => sizeOf(value);
const fallback: Filter = (value, args, named) => {
  const [other = '', always = false] = bind('default', ['default_value', 'boolean'], args, named);
  return value instanceof Undefined || (truthy(always) && !truthy(value)) ? other : value;
};
const escaped: Filter = (value) =>
  value instanceof Markup ? value : new Markup(escapeHtml(toText(value)));

/** Filters that tell markup from text. */
const markupFilters: Readonly<Record<string, Filter>> = {
  e: escaped,
  escape: escaped,
  forceescape: (value) => new Markup(escapeHtml(toText(value))),
  safe: (value) => (value instanceof Markup ? value : new Markup(toText(value))),
  string: (value) => (value instanceof Markup ? value : toText(value)),
};

const filters: Readonly<Record<string, Filter>> = {
  ...numberFilters,
  ...textFilters,
  attr: (value, [name], _named, budget) =>
    value instanceof Undefined
      ? value.fail()
      : isDict(value)
        ? undefinedOf(`'${typeName(value)} object' has no attribute '${toText(name)}'`)
        : getItem(value, toText(name), budget),
  batch(value, args, named, budget) {
    const [count = null, fill = null] = bind('batch', ['linecount', 'fill_with'], args, named, 1);
    const size = indexOf(count, 'linecount');
    return lazily(
      (function* () {
        let part: Value[] = [];
        for (const item of iterate(value)) {
          budget.spend();
          if (part.length === size) {
            yield part;
            part = [];
          }
          part.push(item);
        }
        if (part.length === 0) return;
        if (fill !== null && part.length < size) {
          budget.list(size);
          while (part.length < size) part.push(fill);
        }
        yield part;
      })(),
    );
  },
  count: length,
  d: fallback,
  default: fallback,
  dictsort(value, args, named, budget) {
    const [sensitive = false, by = 'key', reverse = false] = bind(
      'dictsort',
      ['case_sensitive', 'by', 'reverse'],
      args,
      named,
    );
    if (!isDict(value)) {
      if (value instanceof Undefined) value.fail();
      throw new JinjaError(`'${typeName(value)}' object has no attribute 'items'`);
    }
    if (by !== 'key' && by !== 'value')
      throw new JinjaError('You can only sort by either "key" or "value"');
    const place = by === 'key' ? 0 : 1;
    const key = (item: Value): Value => {
      const part = isList(item) ? item[place] : item;
      return truthy(sensitive) ? part : lowered(part);
    };
    return sorted(itemsOf(value), key, truthy(reverse), budget);
  },
  first(value) {
    for (const item of iterate(value)) return item;
    return undefinedOf('No first item, sequence was empty.');
  },
  groupby(value, args, named, budget) {
    const [attribute = null, other, sensitive = false] = bind(
      'groupby',
      ['attribute', 'default', 'case_sensitive'],
      args,
      named,
      1,
    );
    const of = getter(attribute, budget, other);
    const key = (item: Value): Value => (truthy(sensitive) ? of(item) : lowered(of(item)));
    const groups: { key: Value; name: Value; items: Value[] }[] = [];
    for (const item of sorted([...iterate(value)], key, false, budget)) {
      const last = groups.at(-1);
      if (last && equals(last.key, key(item))) last.items.push(item);
      else groups.push({ key: key(item), name: of(item), items: [item] });
    }
    return groups.map(({ name, items }) => Tuple.of2(name, items));
  },
  items(value) {
    if (value instanceof Undefined) return lazily([][Symbol.iterator]());
    if (!isDict(value)) throw new JinjaError('Can only get item pairs from a mapping.');
    return lazily(itemsOf(value)[Symbol.iterator]());
  },
  join(value, args, named, budget) {
    const [by = '', attribute = null] = bind('join', ['d', 'attribute'], args, named);
    const of = getter(attribute, budget);
    const between = toText(by);
    const parts: string[] = [];
    for (const item of iterate(value)) {
      const text = toText(of(item));
      budget.text(text.length + between.length);
      parts.push(text);
    }
    budget.text(parts.reduce((sum, part) => sum + part.length + between.length, 0));
    return parts.join(between);
  },
  last(value) {
    if (value instanceof Iteration)
      throw new JinjaError(`'${typeName(value)}' object is not reversible`);
    const last = [...iterate(value)].at(-1);
    return last === undefined ? undefinedOf('No last item, sequence was empty.') : last;
  },
  length,
  list(value, _args, _named, budget) {
    const items: Value[] = [];
    for (const item of iterate(value)) {
      budget.spend();
      items.push(item);
    }
    return items;
  },
  map: (value, args, named, budget) => lazily(mapped(value, args, named, budget)),
  max: extreme('max', 1),
  min: extreme('min', -1),
  pprint: (value) => represent(value),
  reject: choosing(false, false),
  rejectattr: choosing(false, true),
  reverse(value) {
    if (typeof value === 'string') return Array.from(value).reverse().join('');
    if (value instanceof Undefined) return lazily([][Symbol.iterator]());
    if (!isList(value) && !isDict(value) && !(value instanceof Iteration))
      throw new JinjaError('argument must be iterable');
    return lazily([...iterate(value)].reverse()[Symbol.iterator]());
  },
  select: choosing(true, false),
  selectattr: choosing(true, true),
  slice(value, args, named) {
    const [count = null, fill = null] = bind('slice', ['slices', 'fill_with'], args, named, 1);
    const slices = indexOf(count, 'slices');
    return lazily(
      (function* () {
        const items = [...iterate(value)];
        const each = Math.floor(items.length / slices);
        const extra = items.length % slices;
        for (let i = 0, at = 0; i < slices; i++) {
          const size = each + (i < extra ? 1 : 0);
          const part = items.slice(at, at + size);
          at += size;
          if (fill !== null && i >= extra) part.push(fill);
          yield part;
        }
      })(),
    );
  },
  sort(value, args, named, budget) {
    const [reverse = false, sensitive = false, attribute = null] = bind(
      'sort',
      ['reverse', 'case_sensitive', 'attribute'],
      args,
      named,
    );
    const paths = typeof attribute === 'string' ? attribute.split(',') : [attribute];
    const getters = paths.map((path) => getter(path, budget));
    const part = (value: Value): Value => (truthy(sensitive) ? value : lowered(value));
    const key = (item: Value): Value =>
      getters.length === 1 ? part(getters[0](item)) : getters.map((get) => part(get(item)));
    return sorted([...iterate(value)], key, truthy(reverse), budget);
  },
  sum(value, args, named, budget) {
    const [attribute = null, start = 0] = bind('sum', ['attribute', 'start'], args, named);
    if (typeof start === 'string') throw new JinjaError("sum() can't sum strings");
    const of = getter(attribute, budget);
    let total: Value = start;
    for (const item of iterate(value)) {
      budget.spend();
      total = binary('+', total, of(item), budget);
    }
    return total;
  },
  unique(value, args, named, budget) {
    const [sensitive = false, attribute = null] = bind(
      'unique',
      ['case_sensitive', 'attribute'],
      args,
      named,
    );
    const of = getter(attribute, budget);
    return lazily(
      (function* () {
        const seen: Value[] = [];
        for (const item of iterate(value)) {
          const key = truthy(sensitive) ? of(item) : lowered(of(item));
          budget.spend(seen.length * 16);
          if (!(key instanceof Tuple) && (isList(key) || isDict(key))) keyOf(key);
          if (seen.some((other) => equals(other, key))) continue;
          seen.push(key);
          yield item;
        }
      })(),
    );
  },
};
