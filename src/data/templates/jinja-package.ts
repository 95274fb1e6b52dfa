/** @file The parts of `@huggingface/jinja` that are used here, typed: its own declarations do not resolve under Node's rules. */
import * as jinja from '@huggingface/jinja';

export type Program = { readonly body: readonly unknown[] };
export type RuntimeValue = { readonly type: string; readonly value: unknown; toString(): string };

export type Environment = {
  set(name: string, value: unknown): RuntimeValue;
  setVariable(name: string, value: RuntimeValue): RuntimeValue;
};

export type Interpreter = {
  run(program: Program): RuntimeValue;
  evaluate(statement: unknown, environment: Environment): RuntimeValue;
};

type Package = {
  readonly Environment: new () => Environment;
  readonly Interpreter: new (environment: Environment) => Interpreter;
  tokenize(source: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }): unknown;
  parse(tokens: unknown): Program;
};

export const { Environment, Interpreter, tokenize, parse } = jinja as unknown as Package;
