/** @file Expressions of Jinja2 3.1, with its order of operators (which is not quite Python's). */

import type { Arguments, Comparison, Expression, Operator, Slice } from './nodes.ts';
import type { TokenStream } from './token-stream.ts';
import { integer } from './values.ts';

const comparisons: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=']);
const constants: Readonly<Record<string, null | boolean>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};
export const noArguments: Arguments = {
  positional: [],
  named: [],
  star: undefined,
  doubleStar: undefined,
};

export function parseExpression(stream: TokenStream, withCondition = true): Expression {
  return stream.nested(() => (withCondition ? parseCondition(stream) : parseOr(stream)));
}

function parseCondition(stream: TokenStream): Expression {
  let then = parseOr(stream);
  while (stream.take('if')) {
    const test = parseOr(stream);
    const otherwise = stream.take('else') ? stream.nested(() => parseCondition(stream)) : undefined;
    then = { type: 'condition', test, then, otherwise };
  }
  return then;
}

function parseOr(stream: TokenStream): Expression {
  let left = parseAnd(stream);
  while (stream.take('or')) left = { type: 'or', left, right: parseAnd(stream) };
  return left;
}

function parseAnd(stream: TokenStream): Expression {
  let left = parseNot(stream);
  while (stream.take('and')) left = { type: 'and', left, right: parseNot(stream) };
  return left;
}

function parseNot(stream: TokenStream): Expression {
  if (stream.take('not')) return { type: 'not', object: stream.nested(() => parseNot(stream)) };
  return parseCompare(stream);
}

function parseCompare(stream: TokenStream): Expression {
  const first = parseSum(stream);
  const rest: (readonly [Comparison, Expression])[] = [];
  for (;;) {
    const { type, text } = stream.current;
    if (type === 'operator' && comparisons.has(text)) {
      stream.next();
      rest.push([text as Comparison, parseSum(stream)]);
    } else if (stream.isName('in')) {
      stream.next();
      rest.push(['in', parseSum(stream)]);
    } else if (
      stream.isName('not') &&
      stream.following.type === 'name' &&
      stream.following.text === 'in'
    ) {
      stream.next();
      stream.next();
      rest.push(['not in', parseSum(stream)]);
    } else break;
  }
  return rest.length === 0 ? first : { type: 'compare', first, rest };
}

function binary(
  stream: TokenStream,
  operators: readonly Operator[],
  operand: (stream: TokenStream) => Expression,
): Expression {
  let left = operand(stream);
  for (;;) {
    const operator = operators.find((each) => stream.isOperator(each));
    if (operator === undefined) return left;
    stream.next();
    left = { type: 'binary', operator, left, right: operand(stream) };
  }
}

const parseSum = (stream: TokenStream): Expression => binary(stream, ['+', '-'], parseConcat);

function parseConcat(stream: TokenStream): Expression {
  const parts = [parseProduct(stream)];
  while (stream.take('~')) parts.push(parseProduct(stream));
  return parts.length === 1 ? parts[0] : { type: 'concat', parts };
}

const parseProduct = (stream: TokenStream): Expression =>
  binary(stream, ['*', '/', '//', '%'], parsePower);
const parsePower = (stream: TokenStream): Expression => binary(stream, ['**'], parseUnary);

function parseUnary(stream: TokenStream, withFilter = true): Expression {
  let node: Expression;
  if (stream.take('-'))
    node = { type: 'negative', object: stream.nested(() => parseUnary(stream, false)) };
  else if (stream.take('+'))
    node = { type: 'positive', object: stream.nested(() => parseUnary(stream, false)) };
  else node = parsePrimary(stream);
  node = parsePostfix(stream, node);
  return withFilter ? parseFilters(stream, node) : node;
}

function parsePrimary(stream: TokenStream): Expression {
  const token = stream.current;
  switch (token.type) {
    case 'name':
      stream.next();
      return Object.hasOwn(constants, token.text)
        ? { type: 'constant', value: constants[token.text] }
        : { type: 'name', name: token.text };
    case 'string': {
      let value = '';
      while (stream.is('string')) value += stream.next().text;
      return { type: 'constant', value };
    }
    case 'integer':
      stream.next();
      return { type: 'constant', value: integer(BigInt(token.text.replaceAll('_', ''))) };
    case 'float':
      stream.next();
      return { type: 'float', value: Number(token.text.replaceAll('_', '')) };
    default:
      if (stream.take('(')) {
        const value = stream.nested(() => parseTuple(stream, { parentheses: true }));
        stream.expect('operator', ')');
        return value;
      }
      if (stream.take('[')) return { type: 'list', items: parseItems(stream, ']') };
      if (stream.take('{')) return parseDict(stream);
      return stream.fail(`unexpected ${stream.seen()}`);
  }
}

function parseItems(stream: TokenStream, close: string): readonly Expression[] {
  const items: Expression[] = [];
  while (!stream.isOperator(close)) {
    if (items.length > 0) stream.expect('operator', ',');
    if (stream.isOperator(close)) break;
    items.push(parseExpression(stream));
  }
  stream.expect('operator', close);
  return items;
}

function parseDict(stream: TokenStream): Expression {
  const entries: (readonly [Expression, Expression])[] = [];
  while (!stream.isOperator('}')) {
    if (entries.length > 0) stream.expect('operator', ',');
    if (stream.isOperator('}')) break;
    const key = parseExpression(stream);
    stream.expect('operator', ':');
    entries.push([key, parseExpression(stream)]);
  }
  stream.expect('operator', '}');
  return { type: 'dict', entries };
}

type TupleOptions = {
  /** It stands in parentheses: then it may be empty. */
  readonly parentheses?: boolean;
  readonly withCondition?: boolean;
  /** A name that ends it. */
  readonly end?: string;
};

/** One expression, or several with commas: a tuple. */
export function parseTuple(stream: TokenStream, options: TupleOptions = {}): Expression {
  const { parentheses = false, withCondition = true, end } = options;
  const items: Expression[] = [];
  let isTuple = false;
  const ended = (): boolean =>
    stream.is('variable-end') ||
    stream.is('block-end') ||
    stream.isOperator(')') ||
    (end !== undefined && stream.isName(end));
  for (;;) {
    if (items.length > 0) stream.expect('operator', ',');
    if (ended()) break;
    items.push(parseExpression(stream, withCondition));
    if (!stream.isOperator(',')) break;
    isTuple = true;
  }
  if (!isTuple) {
    if (items.length > 0) return items[0];
    if (!parentheses) stream.fail(`expected an expression, found ${stream.seen()}`);
  }
  return { type: 'tuple', items };
}

function parsePostfix(stream: TokenStream, from: Expression): Expression {
  let node = from;
  for (;;) {
    if (stream.isOperator('.') || stream.isOperator('[')) node = parseSubscript(stream, node);
    else if (stream.isOperator('('))
      node = { type: 'call', callee: node, args: parseArguments(stream) };
    else return node;
  }
}

export function parseFilters(stream: TokenStream, from: Expression): Expression {
  let node = from;
  for (;;) {
    if (stream.take('|')) node = parseFilter(stream, node);
    else if (stream.isName('is')) node = parseTest(stream, node);
    else if (stream.isOperator('('))
      node = { type: 'call', callee: node, args: parseArguments(stream) };
    else return node;
  }
}

function dottedName(stream: TokenStream): string {
  let name = stream.expect('name').text;
  while (stream.take('.')) name += `.${stream.expect('name').text}`;
  return name;
}

/** After the `|`, or at a filter's name in a block tag. */
export function parseFilter(stream: TokenStream, object: Expression | undefined): Expression {
  const name = dottedName(stream);
  const args = stream.isOperator('(') ? parseArguments(stream) : noArguments;
  return { type: 'filter', object, name, args };
}

function parseTest(stream: TokenStream, object: Expression): Expression {
  stream.next();
  const negated = stream.take('not');
  const name = dottedName(stream);
  let args = noArguments;
  if (stream.isOperator('(')) args = parseArguments(stream);
  else if (startsArgument(stream)) {
    if (stream.isName('is')) stream.fail('tests cannot follow one another with `is`');
    args = { ...noArguments, positional: [parsePostfix(stream, parsePrimary(stream))] };
  }
  const test: Expression = { type: 'test', object, name, args };
  return negated ? { type: 'not', object: test } : test;
}

/** A test takes an argument without parentheses, too. */
const startsArgument = (stream: TokenStream): boolean =>
  (stream.is('name') && !stream.isName('else', 'or', 'and')) ||
  stream.is('string') ||
  stream.is('integer') ||
  stream.is('float') ||
  stream.isOperator('[') ||
  stream.isOperator('{');

function parseSubscript(stream: TokenStream, object: Expression): Expression {
  if (stream.take('.')) {
    const token = stream.next();
    if (token.type === 'name') return { type: 'attribute', object, name: token.text };
    if (token.type !== 'integer')
      stream.fail(`expected a name after \`.\`, found \`${token.text}\``);
    return { type: 'item', object, key: { type: 'constant', value: Number(token.text) } };
  }
  stream.expect('operator', '[');
  const keys: (Expression | Slice)[] = [];
  while (!stream.isOperator(']')) {
    if (keys.length > 0) stream.expect('operator', ',');
    keys.push(parseKey(stream));
  }
  stream.expect('operator', ']');
  if (keys.length === 1) return { type: 'item', object, key: keys[0] };
  const items = keys.flatMap((key) => (key.type === 'slice' ? [] : [key]));
  if (items.length < keys.length || items.length === 0) stream.fail('one slice at a time');
  return { type: 'item', object, key: { type: 'tuple', items } };
}

function parseKey(stream: TokenStream): Expression | Slice {
  const bound = (): Expression | undefined =>
    stream.isOperator(':') || stream.isOperator(']') || stream.isOperator(',')
      ? undefined
      : parseExpression(stream);
  const start = bound();
  if (!stream.take(':')) {
    return start ?? stream.fail(`expected a key, found ${stream.seen()}`);
  }
  const stop = bound();
  const step = stream.take(':') ? bound() : undefined;
  return { type: 'slice', start, stop, step };
}

export function parseArguments(stream: TokenStream): Arguments {
  stream.expect('operator', '(');
  const positional: Expression[] = [];
  const named: (readonly [string, Expression])[] = [];
  let star: Expression | undefined;
  let doubleStar: Expression | undefined;
  let any = false;
  while (!stream.isOperator(')')) {
    if (any) stream.expect('operator', ',');
    if (stream.isOperator(')')) break;
    any = true;
    if (stream.take('**')) doubleStar = parseExpression(stream);
    else if (stream.take('*')) star = parseExpression(stream);
    else if (
      stream.is('name') &&
      stream.following.text === '=' &&
      stream.following.type === 'operator'
    ) {
      const name = stream.next().text;
      stream.next();
      named.push([name, parseExpression(stream)]);
    } else {
      if (named.length > 0 || star || doubleStar)
        stream.fail('an argument without a name follows one with a name');
      positional.push(parseExpression(stream));
    }
  }
  stream.expect('operator', ')');
  return { positional, named, star, doubleStar };
}
