/**
 * @file A small language to choose rows by, which can do nothing but compare:
 *
 *     or  := and ("or" and)*          and := not ("and" not)*        not := "not" not | test
 *     test := value (("==" | "!=" | "<" | "<=" | ">" | ">=") value)?
 *     value := number | "text" | name | length(value) | contains(value, value) | "(" or ")"
 */

/** What an expression may name. */
export type FilterValues = {
  /** The first message of the user, the last reply (or the chosen one), the system text, and all text together. */
  readonly prompt: string;
  readonly reply: string;
  readonly rejected: string;
  readonly system: string;
  readonly text: string;
  /** Name of the data set. */
  readonly dataset: string;
  /** Replies in the conversation. */
  readonly turns: number;
};

const names: readonly (keyof FilterValues)[] = [
  'prompt',
  'reply',
  'rejected',
  'system',
  'text',
  'dataset',
  'turns',
];

type Value = string | number | boolean;
type Node = (values: FilterValues) => Value;

const tokenPattern =
  /\s*(?:(\d+(?:\.\d+)?)|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([a-z_]+)|(==|!=|<=|>=|<|>|\(|\)|,))/gy;

type Token =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'word' | 'sign'; readonly value: string };

class Fault extends Error {}

/** The test, or what is wrong with the expression. */
export function parseFilter(
  text: string,
): { readonly test: (values: FilterValues) => boolean } | { readonly fault: string } {
  try {
    const tokens = tokenize(text);
    const node = createParser(tokens).whole();
    return { test: (values) => truth(node(values)) };
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    throw error;
  }
}

const truth = (value: Value): boolean => value !== false && value !== 0 && value !== '';

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < end) {
    const at = tokenPattern.lastIndex;
    const match = tokenPattern.exec(text);
    if (!match)
      throw new Fault(`what stands at "${text.slice(at, at + 12).trim()}" is not understood`);
    const [, number, double, single, word, sign] = match;
    const quoted = double ?? single;
    if (number !== undefined) tokens.push({ kind: 'number', value: Number(number) });
    else if (quoted !== undefined) tokens.push({ kind: 'text', value: unescaped(quoted) });
    else if (word !== undefined) tokens.push({ kind: 'word', value: word });
    else tokens.push({ kind: 'sign', value: sign });
  }
  return tokens;
}

const unescaped = (text: string): string =>
  text.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char === 't' ? '\t' : char));

/** Deeper brackets are no filter that a person wrote. */
const maxDepth = 50;

function createParser(tokens: readonly Token[]) {
  let at = 0;
  let depth = 0;
  const peek = (value: string): boolean =>
    tokens[at]?.value === value && tokens[at]?.kind !== 'text';
  const take = (value: string): boolean => {
    if (!peek(value)) return false;
    at++;
    return true;
  };
  const demand = (value: string): void => {
    if (take(value)) return;
    const found = tokens[at];
    throw new Fault(`expected \`${value}\`, found ${found ? `\`${found.value}\`` : 'the end'}`);
  };

  const either = (): Node => {
    if (++depth > maxDepth) throw new Fault('brackets are nested too deep');
    let left = both();
    while (take('or')) {
      const [a, b] = [left, both()];
      left = (values) => truth(a(values)) || truth(b(values));
    }
    depth--;
    return left;
  };
  const both = (): Node => {
    let left = negated();
    while (take('and')) {
      const [a, b] = [left, negated()];
      left = (values) => truth(a(values)) && truth(b(values));
    }
    return left;
  };
  const negated = (): Node => {
    let negations = 0;
    while (take('not')) negations++;
    const node = comparison();
    return negations % 2 === 0 ? node : (values) => !truth(node(values));
  };
  const comparison = (): Node => {
    const left = value();
    for (const [sign, compare] of Object.entries(comparisons)) {
      if (!take(sign)) continue;
      const right = value();
      return (values) => compare(left(values), right(values));
    }
    return left;
  };
  const value = (): Node => {
    const token = tokens[at++];
    if (!token) throw new Fault('it ends where a value is expected');
    if (token.kind === 'number' || token.kind === 'text') return () => token.value;
    if (token.value === '(') {
      const inner = either();
      demand(')');
      return inner;
    }
    if (token.value === 'length') {
      demand('(');
      const inner = value();
      demand(')');
      return (values) => String(inner(values)).length;
    }
    if (token.value === 'contains') {
      demand('(');
      const whole = value();
      demand(',');
      const part = value();
      demand(')');
      return (values) => String(whole(values)).includes(String(part(values)));
    }
    const name = names.find((each) => each === token.value);
    if (name === undefined) {
      throw new Fault(
        `\`${token.value}\` is none of ${names.join(', ')}, length(…), contains(…, …)`,
      );
    }
    return (values) => values[name];
  };
  return {
    whole(): Node {
      const node = either();
      const rest = tokens[at];
      if (rest) throw new Fault(`\`${rest.value}\` stands after the end`);
      return node;
    },
  };
}

const comparisons: Readonly<Record<string, (a: Value, b: Value) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
};
