/**
 * @file Jinja2 3.1 as transformers sets it up (sandboxed, nothing of it can be changed from within), in a box: no clock, no files,
 * and limits of size, depth and steps. What Python refuses is refused, and nothing throws but `JinjaError`.
 */
import { compileBlock, type Execute } from './execute.ts';
import { globals } from './globals.ts';
import { Budget, forgetVisits, JinjaError } from './limits.ts';
import { hasStatement } from './nodes.ts';
import { parseTemplate } from './parser.ts';
import { type Mark, Output, type Run, Scope } from './scope.ts';
import type { Value } from './values.ts';

export type Template = {
  readonly execute: Execute;
  /** `{% generation %}` stands somewhere in it. */
  readonly hasGeneration: boolean;
};

export type Rendering = {
  readonly text: string;
  /** In the order of their beginnings. */
  readonly marks: readonly Mark[];
  /** Some marks stand in text that was captured, and are known with a `secret` only. */
  readonly captured: boolean;
};

export type RenderOptions = {
  /** The numbers of the messages whose text is marked, by their dicts. */
  readonly turns?: ReadonlyMap<Value, number>;
  /** Writes the marks into the text, each as the secret, what it says, and U+E001. */
  readonly secret?: string;
};

export function compileTemplate(source: string): Template {
  return bounded(() => {
    const block = parseTemplate(source);
    return { execute: compileBlock(block), hasGeneration: hasStatement(block, 'generation') };
  }, 'it is not valid Jinja: ');
}

export function renderTemplate(
  template: Template,
  variables: ReadonlyMap<string, Value>,
  { turns = new Map(), secret }: RenderOptions = {},
): Rendering {
  forgetVisits();
  const budget = new Budget();
  const root = new Output(budget);
  const run: Run = { budget, output: root, root, turns, captured: false, secret };
  const scope = new Scope(run);
  for (const [name, value] of globals(budget)) scope.set(name, value);
  for (const [name, value] of variables) scope.set(name, value);
  bounded(() => template.execute(scope.inner()), '');
  return { text: root.text(), marks: root.marks, captured: run.captured };
}

/** A stack that overflows or a text past the engine's limit is a fault of the template, too. */
function bounded<T>(run: () => T, before: string): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof JinjaError) throw error;
    if (error instanceof RangeError)
      throw new JinjaError(`${before}it is nested too deeply, or makes too much`);
    throw error;
  }
}
