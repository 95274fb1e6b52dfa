/** @file Statements of Jinja2 3.1 with the tags that transformers adds: `break`, `continue` and `generation`. */
import { tokenize } from './lexer.ts';
import type { Block, Expression, Signature, Statement, Target } from './nodes.ts';
import { parseExpression, parseFilter, parseFilters, parseTuple } from './parse-expression.ts';
import { createTokenStream, type TokenStream } from './token-stream.ts';

export function parseTemplate(source: string): Block {
  const stream = createTokenStream(tokenize(source));
  const body = parseBody(stream, [], 0);
  return body;
}

/** Up to a tag of one of these names, whose block-begin and name are taken. */
function parseBody(stream: TokenStream, ends: readonly string[], loops: number): Block {
  const body: Statement[] = [];
  for (;;) {
    if (stream.is('end')) {
      if (ends.length > 0)
        stream.fail(`expected \`${ends.at(-1)}\`, found the end of the template`);
      return body;
    }
    if (stream.is('data')) {
      body.push({ type: 'text', text: stream.next().text });
    } else if (stream.is('variable-begin')) {
      stream.next();
      body.push({ type: 'output', value: parseTuple(stream) });
      stream.expect('variable-end');
    } else {
      stream.expect('block-begin');
      if (ends.length > 0 && stream.isName(...ends)) return body;
      const statement = stream.nested(() => parseStatement(stream, loops));
      if (statement) body.push(...statement);
      stream.expect('block-end');
    }
  }
}

/** The body after the current tag, and the name of the tag that ends it. */
function block(
  stream: TokenStream,
  ends: readonly string[],
  loops: number,
): { readonly body: Block; readonly end: string } {
  stream.take(':');
  stream.expect('block-end');
  const body = parseBody(stream, ends, loops);
  return { body, end: stream.next().text };
}

type Parse = (stream: TokenStream, loops: number) => readonly Statement[];

const statements: Readonly<Record<string, Parse>> = {
  if: parseIf,
  for: parseFor,
  set: parseSet,
  macro(stream) {
    const name = stream.expect('name').text;
    const parameters = parseSignature(stream);
    return [{ type: 'macro', name, parameters, body: block(stream, ['endmacro'], 0).body }];
  },
  call(stream) {
    const parameters = stream.isOperator('(') ? parseSignature(stream) : [];
    const call = parseExpression(stream);
    if (call.type !== 'call') stream.fail('`call` needs a call');
    return [{ type: 'call-block', parameters, call, body: block(stream, ['endcall'], 0).body }];
  },
  filter(stream, loops) {
    const filter = parseFilters(stream, parseFilter(stream, undefined));
    return [{ type: 'filter-block', filter, body: block(stream, ['endfilter'], loops).body }];
  },
  with(stream, loops) {
    const values: (readonly [Target, Expression])[] = [];
    while (!stream.is('block-end')) {
      if (values.length > 0) stream.expect('operator', ',');
      const target = parseTarget(stream, false);
      stream.expect('operator', '=');
      values.push([target, parseExpression(stream)]);
    }
    return [{ type: 'with', values, body: block(stream, ['endwith'], loops).body }];
  },
  // A call of a macro underneath, in transformers: a loop cannot be left from within it.
  generation: (stream) => [{ type: 'generation', body: block(stream, ['endgeneration'], 0).body }],
  autoescape(stream, loops) {
    const value = parseExpression(stream);
    const { body } = block(stream, ['endautoescape'], loops);
    if (value.type === 'constant' && value.value === false) return [{ type: 'scope', body }];
    return [{ type: 'refused', why: '`autoescape` is not for chat templates' }];
  },
  block(stream) {
    stream.expect('name');
    while (stream.isName('scoped', 'required')) stream.next();
    const { body } = block(stream, ['endblock'], 0);
    if (stream.is('name')) stream.next();
    return [{ type: 'scope', body }];
  },
  print(stream) {
    const values: Statement[] = [];
    while (!stream.is('block-end')) {
      if (values.length > 0) stream.expect('operator', ',');
      values.push({ type: 'output', value: parseExpression(stream) });
    }
    return values;
  },
  break: (stream, loops) => [leave(stream, loops, 'break')],
  continue: (stream, loops) => [leave(stream, loops, 'continue')],
  include: otherTemplates,
  import: otherTemplates,
  from: otherTemplates,
  extends: otherTemplates,
};

function parseStatement(stream: TokenStream, loops: number): readonly Statement[] {
  const tag = stream.current;
  if (tag.type !== 'name') stream.fail(`expected the name of a tag, found ${stream.seen()}`);
  if (!Object.hasOwn(statements, tag.text)) stream.fail(`unknown tag \`${tag.text}\``);
  stream.next();
  return statements[tag.text](stream, loops);
}

function leave(stream: TokenStream, loops: number, type: 'break' | 'continue'): Statement {
  if (loops === 0) stream.fail(`\`${type}\` outside a loop`);
  return { type };
}

function otherTemplates(stream: TokenStream): readonly Statement[] {
  while (!stream.is('block-end') && !stream.is('end')) stream.next();
  return [{ type: 'refused', why: 'it asks for another template, and there is none' }];
}

function parseIf(stream: TokenStream, loops: number): readonly Statement[] {
  const branches: (readonly [Expression, Block])[] = [];
  let otherwise: Block = [];
  for (;;) {
    const test = parseTuple(stream, { withCondition: false });
    const { body, end } = block(stream, ['elif', 'else', 'endif'], loops);
    branches.push([test, body]);
    if (end === 'elif') continue;
    if (end === 'else') otherwise = block(stream, ['endif'], loops).body;
    return [{ type: 'if', branches, otherwise }];
  }
}

function parseFor(stream: TokenStream, loops: number): readonly Statement[] {
  const target = parseTarget(stream, false);
  stream.expect('name', 'in');
  const items = parseTuple(stream, { withCondition: false, end: 'recursive' });
  const test = stream.take('if') ? parseExpression(stream) : undefined;
  const recursive = stream.take('recursive');
  const { body, end } = block(stream, ['else', 'endfor'], loops + 1);
  const otherwise = end === 'else' ? block(stream, ['endfor'], loops).body : [];
  return [{ type: 'for', target, items, test, recursive, body, otherwise }];
}

function parseSet(stream: TokenStream, loops: number): readonly Statement[] {
  const target = parseTarget(stream, true);
  if (stream.take('=')) return [{ type: 'set', target, value: parseTuple(stream) }];
  const filter = stream.take('|')
    ? parseFilters(stream, parseFilter(stream, undefined))
    : undefined;
  return [{ type: 'set-block', target, filter, body: block(stream, ['endset'], loops).body }];
}

function parseTarget(stream: TokenStream, withNamespace: boolean): Target {
  const one = (): Target => {
    if (stream.take('(')) {
      const inner = parseTarget(stream, withNamespace);
      stream.expect('operator', ')');
      return inner;
    }
    const name = stream.expect('name').text;
    if (withNamespace && stream.take('.'))
      return { type: 'namespace', object: name, attribute: stream.expect('name').text };
    if (['true', 'True', 'false', 'False', 'none', 'None'].includes(name))
      stream.fail(`cannot assign to \`${name}\``);
    return { type: 'name', name };
  };
  const items = [stream.nested(one)];
  let isTuple = false;
  while (stream.take(',')) {
    isTuple = true;
    if (!stream.is('name') && !stream.isOperator('(')) break;
    if (stream.isName('in')) break;
    items.push(stream.nested(one));
  }
  return isTuple ? { type: 'tuple', items } : items[0];
}

function parseSignature(stream: TokenStream): Signature {
  const parameters: (readonly [string, Expression | undefined])[] = [];
  stream.expect('operator', '(');
  while (!stream.isOperator(')')) {
    if (parameters.length > 0) stream.expect('operator', ',');
    const name = stream.expect('name').text;
    const fallback = stream.take('=') ? parseExpression(stream) : undefined;
    if (fallback === undefined && parameters.at(-1)?.[1] !== undefined)
      stream.fail('a parameter without a default follows one with a default');
    parameters.push([name, fallback]);
  }
  stream.expect('operator', ')');
  return parameters;
}
