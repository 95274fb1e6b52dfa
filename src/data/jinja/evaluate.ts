/** @file Expressions as functions of a scope. */
import { getAttribute, getItem } from './attributes.ts';
import { filterNamed } from './filters.ts';
import { JinjaError } from './limits.ts';
import type { Arguments, Comparison, Expression, Slice } from './nodes.ts';
import { binary, negative, positive, slice } from './operators.ts';
import type { Scope } from './scope.ts';
import { testNamed } from './tests.ts';
import {
  Attributes,
  Callable,
  compare,
  contains,
  equals,
  Float,
  isDict,
  iterate,
  type Key,
  keyOf,
  type Named,
  noNames,
  Tuple,
  toText,
  truthy,
  typeName,
  Undefined,
  unmarked,
  type Value,
} from './values.ts';

export type Evaluate = (scope: Scope) => Value;

/** `True` and `1` are one key, spelled as the first that was set. */
function sameKey(dict: ReadonlyMap<Key, Value>, key: Key): Key {
  if (typeof key === 'boolean' && dict.has(Number(key))) return Number(key);
  if ((key === 0 || key === 1) && dict.has(key === 1)) return key === 1;
  return key;
}

const undefinedCondition = new Undefined(
  'the inline if-expression evaluated to false and no else section was defined.',
);

/** `block` is the text of a filter block, where the innermost filter has no operand. */
export function compileExpression(node: Expression, block?: Evaluate): Evaluate {
  switch (node.type) {
    case 'constant': {
      const { value } = node;
      return () => value;
    }
    case 'float': {
      const value = new Float(node.value);
      return () => value;
    }
    case 'name': {
      const { name } = node;
      return (scope) => {
        scope.run.budget.spend();
        return scope.get(name);
      };
    }
    case 'list':
    case 'tuple': {
      const items = node.items.map((item) => compileExpression(item));
      return node.type === 'list'
        ? (scope) => items.map((item) => item(scope))
        : (scope) => Tuple.of2(...items.map((item) => item(scope)));
    }
    case 'dict': {
      const entries = node.entries.map(
        ([key, value]) => [compileExpression(key), compileExpression(value)] as const,
      );
      return (scope) => {
        const dict = new Map<Key, Value>();
        for (const [key, value] of entries)
          dict.set(sameKey(dict, keyOf(key(scope))), value(scope));
        return dict;
      };
    }
    case 'attribute': {
      const object = compileExpression(node.object);
      const { name } = node;
      return (scope) => getAttribute(unmarked(object(scope)), name, scope.run.budget);
    }
    case 'item':
      return compileItem(compileExpression(node.object), node.key);
    case 'call': {
      const callee = compileExpression(node.callee);
      const args = compileArguments(node.args);
      return (scope) => call(callee(scope), args(scope), scope);
    }
    case 'filter': {
      let filter: ReturnType<typeof filterNamed> | undefined;
      const object = node.object ? compileExpression(node.object, block) : (block ?? (() => ''));
      const args = compileArguments(node.args);
      return (scope) => {
        scope.run.budget.spend();
        const value = object(scope);
        const { positional, named } = args(scope);
        // Not before: a filter that is never reached need not exist.
        filter ??= filterNamed(node.name);
        return filter(value, positional, named, scope.run.budget);
      };
    }
    case 'test': {
      let test: ReturnType<typeof testNamed> | undefined;
      const object = compileExpression(node.object);
      const args = compileArguments(node.args);
      return (scope) => {
        const value = object(scope);
        const { positional, named } = args(scope);
        test ??= testNamed(node.name);
        return test(node.name === 'escaped' ? value : unmarked(value), positional, named);
      };
    }
    case 'not': {
      const object = compileExpression(node.object);
      return (scope) => !truthy(object(scope));
    }
    case 'negative': {
      const object = compileExpression(node.object);
      return (scope) => negative(object(scope));
    }
    case 'positive': {
      const object = compileExpression(node.object);
      return (scope) => positive(object(scope));
    }
    case 'and':
    case 'or': {
      const [left, right] = [compileExpression(node.left), compileExpression(node.right)];
      const stops = node.type === 'or';
      return (scope) => {
        const value = left(scope);
        return truthy(value) === stops ? value : right(scope);
      };
    }
    case 'binary': {
      const { operator } = node;
      const [left, right] = [compileExpression(node.left), compileExpression(node.right)];
      return (scope) => {
        scope.run.budget.spend();
        return binary(operator, left(scope), right(scope), scope.run.budget);
      };
    }
    case 'concat': {
      const parts = node.parts.map((part) => compileExpression(part));
      return (scope) => {
        const texts = parts.map((part) => toText(part(scope)));
        scope.run.budget.text(texts.reduce((sum, text) => sum + text.length, 0));
        return texts.join('');
      };
    }
    case 'compare':
      return compileComparison(
        compileExpression(node.first),
        node.rest.map(([operator, operand]) => [operator, compileExpression(operand)]),
      );
    case 'condition': {
      const [test, then] = [compileExpression(node.test), compileExpression(node.then)];
      const otherwise = node.otherwise
        ? compileExpression(node.otherwise)
        : () => undefinedCondition;
      return (scope) => (truthy(test(scope)) ? then(scope) : otherwise(scope));
    }
  }
}

const compared: Readonly<Record<Comparison, (a: Value, b: Value) => boolean>> = {
  '==': equals,
  '!=': (a, b) => !equals(a, b),
  '<': (a, b) => compare(a, b, '<') < 0,
  '<=': (a, b) => compare(a, b, '<=') <= 0,
  '>': (a, b) => compare(a, b, '>') > 0,
  '>=': (a, b) => compare(a, b, '>=') >= 0,
  in: (a, b) => contains(b, a),
  'not in': (a, b) => !contains(b, a),
};

/** `a < b < c`: each operand once, and none after the first pair that fails. */
function compileComparison(
  first: Evaluate,
  rest: readonly (readonly [Comparison, Evaluate])[],
): Evaluate {
  return (scope) => {
    scope.run.budget.spend();
    let left = unmarked(first(scope));
    for (const [operator, operand] of rest) {
      const right = unmarked(operand(scope));
      if (!compared[operator](left, right)) return false;
      left = right;
    }
    return true;
  };
}

function compileItem(object: Evaluate, key: Expression | Slice): Evaluate {
  if (key.type !== 'slice') {
    const evaluate = compileExpression(key);
    return (scope) => {
      scope.run.budget.spend();
      return getItem(unmarked(object(scope)), unmarked(evaluate(scope)), scope.run.budget);
    };
  }
  const part = (bound: Expression | undefined): Evaluate =>
    bound ? compileExpression(bound) : () => null;
  const [start, stop, step] = [part(key.start), part(key.stop), part(key.step)];
  return (scope) => {
    const value = unmarked(object(scope));
    if (value instanceof Undefined) return value.fail();
    const sliced = slice(value, start(scope), stop(scope), step(scope));
    if (sliced === undefined) throw new JinjaError(`'${typeName(value)}' object is not sliceable`);
    scope.run.budget.spend(typeof sliced === 'string' ? sliced.length : 0);
    if (Array.isArray(sliced)) scope.run.budget.list(sliced.length);
    return sliced;
  };
}

type Given = { readonly positional: readonly Value[]; readonly named: Named };

const nothingGiven: Given = { positional: [], named: noNames };

function compileArguments(args: Arguments): (scope: Scope) => Given {
  const positional = args.positional.map((arg) => compileExpression(arg));
  const named = args.named.map(([name, arg]) => [name, compileExpression(arg)] as const);
  const star = args.star && compileExpression(args.star);
  const doubleStar = args.doubleStar && compileExpression(args.doubleStar);
  if (positional.length === 0 && named.length === 0 && !star && !doubleStar)
    return () => nothingGiven;
  return (scope) => {
    const values = positional.map((arg) => arg(scope));
    if (star) values.push(...iterate(star(scope)));
    if (named.length === 0 && !doubleStar) return { positional: values, named: noNames };
    const names = new Map<string, Value>();
    const add = (name: string, value: Value): void => {
      if (names.has(name))
        throw new JinjaError(`got multiple values for keyword argument '${name}'`);
      names.set(name, value);
    };
    for (const [name, arg] of named) add(name, arg(scope));
    if (doubleStar) {
      const more = doubleStar(scope);
      if (!isDict(more))
        throw new JinjaError(`argument after ** must be a mapping, not ${typeName(more)}`);
      for (const [name, value] of more) add(String(name), value);
    }
    return { positional: values, named: names };
  };
}

export function call(callee: Value, { positional, named }: Given, scope: Scope): Value {
  scope.run.budget.spend();
  if (callee instanceof Undefined) return callee.fail();
  if (callee instanceof Callable) return callee.call(positional, named);
  if (callee instanceof Attributes && callee.call) return callee.call(positional, named);
  throw new JinjaError(`'${typeName(callee)}' object is not callable`);
}
