/** @file Where `@huggingface/jinja` and Python's Jinja2 part, and chat templates depend on it: Python's way. */
import { type Environment, Interpreter, type RuntimeValue } from './jinja-package.ts';

type Node = { readonly type: string; readonly [key: string]: unknown };

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';

/** What `str.strip` takes off without an argument. JavaScript's trim takes a byte order mark too. */
const isPythonSpace = (unit: string): boolean =>
  /\p{White_Space}/u.test(unit) || (unit >= '\x1c' && unit <= '\x1f');

const strips: Readonly<Record<string, readonly [left: boolean, right: boolean]>> = {
  strip: [true, true],
  lstrip: [true, false],
  rstrip: [false, true],
};

export function strip(text: string, left: boolean, right: boolean, characters?: string): string {
  const taken = (unit: string): boolean =>
    characters === undefined ? isPythonSpace(unit) : characters.includes(unit);
  let from = 0;
  let to = text.length;
  if (left) while (from < to && taken(text[from])) from++;
  if (right) while (to > from && taken(text[to - 1])) to--;
  return text.slice(from, to);
}

/** Statements that print nothing themselves. */
const silent = new Set(['Set', 'Macro', 'Comment', 'Break', 'Continue']);

export class PythonInterpreter extends Interpreter {
  override evaluate(statement: unknown, environment: Environment): RuntimeValue {
    if (isNode(statement)) {
      if (statement.type === 'CallExpression') {
        const stripped = this.#stripCall(statement, environment);
        if (stripped) return stripped;
      }
      if (statement.type === 'FilterExpression') {
        const trimmed = this.#trimFilter(statement, environment);
        if (trimmed) return trimmed;
      }
      if (statement.type === 'For')
        return super.evaluate(this.#iterable(statement, environment), environment);
    }
    return super.evaluate(statement, environment);
  }

  /** Private in the package: what each statement of a block prints. Python has `True` and `None`. */
  evaluateBlock(statements: readonly unknown[], environment: Environment): RuntimeValue {
    let text = '';
    for (const statement of statements) {
      const value = this.evaluate(statement, environment);
      if (value.type === 'UndefinedValue') continue;
      if (isNode(statement) && silent.has(statement.type)) continue;
      if (value.type === 'NullValue') text += 'None';
      else if (value.type === 'BooleanValue') text += value.value === true ? 'True' : 'False';
      else text += value.toString();
    }
    return this.#text(text, environment);
  }

  #text(value: string, environment: Environment): RuntimeValue {
    return super.evaluate({ type: 'StringLiteral', value }, environment);
  }

  /** `text.strip('…')`: the package takes no heed of the argument. */
  #stripCall(call: Node, environment: Environment): RuntimeValue | undefined {
    const { callee, args } = call;
    if (!isNode(callee) || callee.type !== 'MemberExpression' || callee.computed === true)
      return undefined;
    const name = isNode(callee.property) ? String(callee.property.value) : '';
    const sides = Object.hasOwn(strips, name) ? strips[name] : undefined;
    if (!sides || !Array.isArray(args)) return undefined;
    const target = this.evaluate(callee.object, environment);
    if (typeof target.value !== 'string') return undefined;
    const characters = args.length > 0 ? this.evaluate(args[0], environment).value : undefined;
    const text = strip(
      target.value,
      ...sides,
      typeof characters === 'string' ? characters : undefined,
    );
    return this.#text(text, environment);
  }

  #trimFilter(node: Node, environment: Environment): RuntimeValue | undefined {
    const { filter, operand } = node;
    if (!isNode(filter) || filter.type !== 'Identifier' || filter.value !== 'trim')
      return undefined;
    const value = this.evaluate(operand, environment);
    if (value.type === 'UndefinedValue') return this.#text('', environment);
    if (typeof value.value !== 'string') return undefined;
    return this.#text(strip(value.value, true, true), environment);
  }

  /** A loop over nothing (an undefined name) has no turns, and one over a text has its characters. */
  #iterable(loop: Node, environment: Environment): Node {
    const { iterable } = loop;
    if (!isNode(iterable) || iterable.type === 'SelectExpression') return loop;
    const value = this.evaluate(iterable, environment);
    let items: readonly unknown[];
    if (value.type === 'UndefinedValue') items = [];
    else if (typeof value.value === 'string')
      items = [...value.value].map((c) => ({ type: 'StringLiteral', value: c }));
    else return loop;
    return { ...loop, iterable: { type: 'ArrayLiteral', value: items } };
  }
}
