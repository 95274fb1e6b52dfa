/** @file Names and where a template writes: what all parts of one rendering share. */
import type { Budget } from './limits.ts';
import { Undefined, type Value } from './values.ts';

/** What is marked in the text: the turn of a message, or `{% generation %}`. */
export type Mark = {
  readonly kind: 'turn' | 'generation';
  /** The message's number; of a generation always 0. */
  readonly index: number;
  readonly start: number;
  end: number;
};

/** Text as it is written, and what is marked of it. */
export class Output {
  readonly #parts: string[] = [];
  readonly #budget: Budget;
  readonly marks: Mark[] = [];
  length = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  write(text: string): void {
    if (text === '') return;
    this.#parts.push(text);
    this.length += text.length;
    this.#budget.text(this.length, text.length);
  }

  open(kind: Mark['kind'], index: number): Mark {
    const mark = { kind, index, start: this.length, end: -1 };
    this.marks.push(mark);
    return mark;
  }

  text(): string {
    return this.#parts.join('');
  }
}

/** One rendering. */
export type Run = {
  readonly budget: Budget;
  /** Where text goes now: the template's own, or that of a block that is captured. */
  output: Output;
  /** The number of a message, by its dict. */
  readonly turns: ReadonlyMap<Value, number>;
  /** Something was marked within a captured block, and its place in the whole text is not known. */
  captured: boolean;
  /** Marks are written into the text itself, between this and a private character: then captured ones are seen too. */
  readonly secret: string | undefined;
  readonly root: Output;
};

/** Marks what is written from now on; the function that it gives ends that. */
export function mark(run: Run, kind: Mark['kind'], index: number): () => void {
  const { output, secret } = run;
  if (secret !== undefined) {
    output.write(`${secret}[${kind}:${index}\ue001`);
    return () => output.write(`${secret}]${kind}:${index}\ue001`);
  }
  if (output !== run.root) {
    run.captured = true;
    return () => {};
  }
  const opened = output.open(kind, index);
  return () => {
    opened.end = output.length;
  };
}

export class Scope {
  readonly run: Run;
  readonly #parent: Scope | undefined;
  readonly #values = new Map<string, Value>();

  constructor(run: Run, parent?: Scope) {
    this.run = run;
    this.#parent = parent;
  }

  inner(): Scope {
    return new Scope(this.run, this);
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  find(name: string): Value | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.#parent) {
      const value = scope.#values.get(name);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  get(name: string): Value {
    const value = this.find(name);
    return value === undefined ? new Undefined(`'${name}' is undefined`) : value;
  }
}
