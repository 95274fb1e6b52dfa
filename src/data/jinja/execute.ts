/** @file Statements as functions of a scope, and the marks that tell which text is whose. */
import { compileExpression, type Evaluate } from './evaluate.ts';
import { JinjaError } from './limits.ts';
import { type Block, mentions, type Signature, type Statement, type Target } from './nodes.ts';
import { mark, Output, type Scope } from './scope.ts';
import {
  Attributes,
  Callable,
  equals,
  iterate,
  type Named,
  Namespace,
  Tuple,
  toText,
  truthy,
  Undefined,
  type Value,
} from './values.ts';

/** How a block was left: at its end, or by a tag. */
export type Leaving = 'break' | 'continue' | undefined;
export type Execute = (scope: Scope) => Leaving;

type Bind = (scope: Scope, value: Value) => void;

export function compileBlock(block: Block): Execute {
  const statements = block.map(compileStatement);
  if (statements.length === 1) return statements[0];
  return (scope) => {
    for (const statement of statements) {
      const leaving = statement(scope);
      if (leaving !== undefined) return leaving;
    }
    return undefined;
  };
}

function compileStatement(node: Statement): Execute {
  switch (node.type) {
    case 'text': {
      const { text } = node;
      return (scope) => {
        scope.run.output.write(text);
        return undefined;
      };
    }
    case 'output': {
      const value = compileExpression(node.value);
      return (scope) => {
        scope.run.output.write(toText(value(scope)));
        return undefined;
      };
    }
    case 'set': {
      const bind = compileTarget(node.target);
      const value = compileExpression(node.value);
      return (scope) => {
        bind(scope, value(scope));
        return undefined;
      };
    }
    case 'set-block':
      return compileSetBlock(node.target, node.filter, node.body);
    case 'if':
      return compileIf(node.branches, node.otherwise);
    case 'for':
      return compileFor(node);
    case 'macro': {
      const macro = compileMacro(node.name, node.parameters, node.body);
      return (scope) => {
        scope.set(node.name, macro(scope));
        return undefined;
      };
    }
    case 'call-block':
      return compileCallBlock(node);
    case 'filter-block': {
      const text = captured(compileBlock(node.body));
      const filter = compileExpression(node.filter, text);
      return (scope) => {
        scope.run.output.write(toText(filter(scope)));
        return undefined;
      };
    }
    case 'with': {
      const values = node.values.map(
        ([target, value]) => [compileTarget(target), compileExpression(value)] as const,
      );
      const body = compileBlock(node.body);
      return (scope) => {
        const inner = scope.inner();
        for (const [bind, value] of values) bind(inner, value(scope));
        return body(inner);
      };
    }
    case 'generation': {
      const body = compileBlock(node.body);
      return (scope) => {
        const close = mark(scope.run, 'generation', 0);
        body(scope.inner());
        close();
        return undefined;
      };
    }
    case 'scope': {
      const body = compileBlock(node.body);
      return (scope) => body(scope.inner());
    }
    case 'break':
    case 'continue': {
      const { type } = node;
      return () => type;
    }
    case 'refused':
      return () => {
        throw new JinjaError(node.why);
      };
  }
}

function compileTarget(target: Target): Bind {
  if (target.type === 'name') return (scope, value) => scope.set(target.name, value);
  if (target.type === 'namespace') {
    return (scope, value) => {
      const object = scope.get(target.object);
      if (!(object instanceof Namespace))
        throw new JinjaError('cannot assign attribute on non-namespace object');
      object.values.set(target.attribute, value);
    };
  }
  const binds = target.items.map(compileTarget);
  return (scope, value) => {
    const items = [...iterate(value)];
    if (items.length !== binds.length) {
      throw new JinjaError(
        items.length < binds.length
          ? `not enough values to unpack (expected ${binds.length}, got ${items.length})`
          : `too many values to unpack (expected ${binds.length})`,
      );
    }
    for (const [i, bind] of binds.entries()) bind(scope, items[i]);
  };
}

/** What a block writes, as a value. */
function captured(body: Execute): Evaluate {
  return (scope) => {
    const { run } = scope;
    const outside = run.output;
    run.output = new Output(run.budget);
    try {
      body(scope.inner());
      return run.output.text();
    } finally {
      run.output = outside;
    }
  };
}

function compileSetBlock(
  target: Target,
  filterNode: Parameters<typeof compileExpression>[0] | undefined,
  block: Block,
): Execute {
  const bind = compileTarget(target);
  const text = captured(compileBlock(block));
  const value = filterNode ? compileExpression(filterNode, text) : text;
  return (scope) => {
    bind(scope, value(scope));
    return undefined;
  };
}

function compileIf(nodes: (Statement & { type: 'if' })['branches'], otherwiseNode: Block): Execute {
  const branches = nodes.map(
    ([test, body]) => [compileExpression(test), compileBlock(body)] as const,
  );
  const otherwise = compileBlock(otherwiseNode);
  return (scope) => {
    scope.run.budget.spend();
    for (const [test, body] of branches) if (truthy(test(scope))) return body(scope);
    return otherwise(scope);
  };
}

/** The names that a loop's body sets to a message where the loop goes over something else, as numbers. */
const setNames = (body: Block): readonly string[] =>
  body.flatMap((each) =>
    each.type === 'set' && each.target.type === 'name' && each.value.type === 'item'
      ? [each.target.name]
      : [],
  );

function compileFor(node: Statement & { type: 'for' }): Execute {
  const items = compileExpression(node.items);
  const bind = compileTarget(node.target);
  const test = node.test && compileExpression(node.test);
  const body = compileBlock(node.body);
  const otherwise = compileBlock(node.otherwise);
  const usesLoop = mentions(node.body, 'loop');
  // A loop over numbers that looks a message up: its text is that message's from there on.
  const [looked] = setNames(node.body);
  const lookedAt = node.body.findIndex(
    (each) => each.type === 'set' && each.target.type === 'name' && each.target.name === looked,
  );
  const before = looked === undefined ? body : compileBlock(node.body.slice(0, lookedAt + 1));
  const after = looked === undefined ? body : compileBlock(node.body.slice(lookedAt + 1));

  const turn = (scope: Scope, item: Value): Leaving => {
    const { run } = scope;
    const index = run.turns.get(item);
    if (index === undefined && looked === undefined) return body(scope);
    if (index !== undefined) {
      const close = mark(run, 'turn', index);
      const leaving = body(scope);
      close();
      return leaving;
    }
    const leaving = before(scope);
    if (leaving !== undefined) return leaving;
    const found = run.turns.get(scope.get(looked));
    if (found === undefined) return after(scope);
    const close = mark(run, 'turn', found);
    const left = after(scope);
    close();
    return left;
  };

  const loop = (scope: Scope, value: Value, depth: number): void => {
    const { budget } = scope.run;
    budget.enter();
    const all: Value[] = [];
    for (const item of iterate(value)) {
      budget.spend();
      if (test) {
        const inner = scope.inner();
        bind(inner, item);
        if (!truthy(test(inner))) continue;
      }
      all.push(item);
    }
    if (all.length === 0) otherwise(scope.inner());
    const state = { index: 0, changed: undefined as readonly Value[] | undefined };
    const self =
      usesLoop || node.recursive ? loopValue(all, state, depth, again(scope)) : undefined;
    for (; state.index < all.length; state.index++) {
      budget.spend();
      const inner = scope.inner();
      if (self) inner.set('loop', self);
      bind(inner, all[state.index]);
      if (turn(inner, all[state.index]) === 'break') break;
    }
    budget.leave();
  };

  const again = (scope: Scope) =>
    node.recursive
      ? (value: Value, depth: number): Value =>
          captured((inner) => {
            loop(inner, value, depth);
            return undefined;
          })(scope)
      : undefined;

  return (scope) => {
    loop(scope, items(scope), 0);
    return undefined;
  };
}

function loopValue(
  all: readonly Value[],
  state: { index: number; changed: readonly Value[] | undefined },
  depth: number,
  again: ((value: Value, depth: number) => Value) | undefined,
): Attributes {
  const missing = (what: string): Undefined => new Undefined(`there is no ${what} item`);
  const attributes: Readonly<Record<string, () => Value>> = {
    index: () => state.index + 1,
    index0: () => state.index,
    revindex: () => all.length - state.index,
    revindex0: () => all.length - state.index - 1,
    first: () => state.index === 0,
    last: () => state.index === all.length - 1,
    length: () => all.length,
    depth: () => depth + 1,
    depth0: () => depth,
    previtem: () => (state.index > 0 ? all[state.index - 1] : missing('previous')),
    nextitem: () => (state.index + 1 < all.length ? all[state.index + 1] : missing('next')),
    cycle: () =>
      new Callable('cycle', (args) => {
        if (args.length === 0) throw new JinjaError('no items for cycling given');
        return args[state.index % args.length];
      }),
    changed: () =>
      new Callable('changed', (args) => {
        const same =
          state.changed !== undefined &&
          state.changed.length === args.length &&
          args.every((arg, i) => equals(arg, state.changed![i]));
        state.changed = args;
        return !same;
      }),
  };
  return new Attributes(
    'LoopContext',
    (name) => (Object.hasOwn(attributes, name) ? attributes[name]() : undefined),
    again && (([value = null]) => again(value, depth + 1)),
  );
}

function compileMacro(
  name: string,
  parameters: Signature,
  block: Block,
): (scope: Scope) => Callable {
  const names = parameters.map(([parameter]) => parameter);
  const fallbacks = parameters.map(([, fallback]) => fallback && compileExpression(fallback));
  const body = compileBlock(block);
  const uses = (word: string): boolean => mentions(block, word) && !names.includes(word);
  const [takesCaller, takesNamed, takesMore] = [uses('caller'), uses('kwargs'), uses('varargs')];

  const bindArguments = (scope: Scope, args: readonly Value[], named: Named): void => {
    const rest = new Map(named);
    if (takesCaller) {
      const caller = rest.get('caller');
      scope.set('caller', caller === undefined ? new Undefined('No caller defined') : caller);
      rest.delete('caller');
    }
    for (const [i, parameter] of names.entries()) {
      let value: Value | undefined = args[i];
      if (rest.has(parameter)) {
        if (value !== undefined)
          throw new JinjaError(`macro '${name}' got multiple values for argument '${parameter}'`);
        value = rest.get(parameter);
        rest.delete(parameter);
      }
      if (value === undefined) value = fallbacks[i]?.(scope);
      scope.set(
        parameter,
        value === undefined ? new Undefined(`parameter '${parameter}' was not provided`) : value,
      );
    }
    if (takesNamed) scope.set('kwargs', rest);
    else if (rest.size > 0) {
      const [first] = rest.keys();
      throw new JinjaError(
        first === 'caller'
          ? `macro '${name}' was invoked with two values for the special caller argument`
          : `macro '${name}' takes no keyword argument '${first}'`,
      );
    }
    if (takesMore) scope.set('varargs', Tuple.of2(...args.slice(names.length)));
    else if (args.length > names.length) {
      throw new JinjaError(`macro '${name}' takes not more than ${names.length} argument(s)`);
    }
  };

  return (defined) => {
    const { run } = defined;
    return new Callable(name, (args, named) => {
      run.budget.enter();
      const scope = defined.inner();
      bindArguments(scope, args, named);
      const text = captured(body)(scope);
      run.budget.leave();
      return text;
    });
  };
}

function compileCallBlock(node: Statement & { type: 'call-block' }): Execute {
  if (node.call.type !== 'call') throw new JinjaError('`call` needs a call');
  const caller = compileMacro('caller', node.parameters, node.body);
  const { callee, args } = node.call;
  const withCaller = compileExpression({
    type: 'call',
    callee,
    args: { ...args, named: [...args.named, ['caller', { type: 'name', name: '\0caller' }]] },
  });
  return (scope) => {
    const inner = scope.inner();
    inner.set('\0caller', caller(scope));
    scope.run.output.write(toText(withCaller(inner)));
    return undefined;
  };
}
