/** @file Functions that every template may call: `range`, `dict`, `namespace`, `cycler`, `joiner`. */
import { indexOf } from './arguments.ts';
import { type Budget, JinjaError, largestRange } from './limits.ts';
import {
  Attributes,
  Callable,
  isDict,
  isList,
  iterate,
  type Key,
  keyOf,
  type Named,
  Namespace,
  type Value,
  View,
} from './values.ts';

export function globals(budget: Budget): ReadonlyMap<string, Value> {
  const functions: Readonly<Record<string, Callable['call']>> = {
    range: (args) => range(args, budget),
    dict: toDict,
    namespace(args, named) {
      const space = new Namespace();
      for (const [key, value] of toDict(args, named)) space.values.set(String(key), value);
      return space;
    },
    cycler: (items) => cycler(items),
    joiner: ([separator = ', ']) => {
      let used = false;
      return new Callable('joiner', () => {
        if (used) return separator;
        used = true;
        return '';
      });
    },
  };
  return new Map(
    Object.entries(functions).map(([name, run]) => [name, new Callable(name, run)] as const),
  );
}

function range(args: readonly Value[], budget: Budget): Value {
  if (args.length < 1 || args.length > 3)
    throw new JinjaError(`range expected 1 to 3 arguments, got ${args.length}`);
  const numbers = args.map((arg) => indexOf(arg, 'range() arguments'));
  const [from, to] = numbers.length === 1 ? [0, numbers[0]] : numbers;
  const step = numbers[2] ?? 1;
  if (step === 0) throw new JinjaError('range() arg 3 must not be zero');
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (count > largestRange)
    throw new JinjaError(
      `range() of more than ${largestRange}, the most that Jinja2’s sandbox takes`,
    );
  budget.list(count);
  return View.named(
    'range',
    Array.from({ length: count }, (_, i) => from + i * step),
  );
}

/** `dict(other, key=value)`, where the other is a dict or a list of pairs. */
function toDict(args: readonly Value[], named: Named): ReadonlyMap<Key, Value> {
  if (args.length > 1) throw new JinjaError(`dict expected at most 1 argument, got ${args.length}`);
  const dict = new Map<Key, Value>();
  const [from] = args;
  if (from !== undefined && isDict(from)) for (const [key, value] of from) dict.set(key, value);
  else if (from !== undefined) {
    for (const pair of iterate(from)) {
      const parts = isList(pair) || typeof pair === 'string' ? [...iterate(pair)] : [];
      if (parts.length !== 2)
        throw new JinjaError('dictionary update sequence element is not a pair');
      dict.set(keyOf(parts[0]), parts[1]);
    }
  }
  for (const [name, value] of named) dict.set(name, value);
  return dict;
}

function cycler(items: readonly Value[]): Value {
  if (items.length === 0) throw new JinjaError('at least one item has to be provided');
  let at = 0;
  const attributes: Readonly<Record<string, () => Value>> = {
    current: () => items[at],
    next: () =>
      new Callable('next', () => {
        const item = items[at];
        at = (at + 1) % items.length;
        return item;
      }),
    reset: () =>
      new Callable('reset', () => {
        at = 0;
        return null;
      }),
  };
  return new Attributes('Cycler', (name) =>
    Object.hasOwn(attributes, name) ? attributes[name]() : undefined,
  );
}
