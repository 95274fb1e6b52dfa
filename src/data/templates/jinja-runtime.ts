/**
 * @file Jinja in a box: no clock, no files, no names but those that chat templates are given, and limits
 * of size and steps. Numbers keep the text that they had in the JSON they came from.
 */
import { JsonNumber, jsonKeys, toPythonJson } from '../../files/json.ts';
import { Environment, type Program, parse, type RuntimeValue, tokenize } from './jinja-package.ts';
import { PythonInterpreter } from './jinja-python.ts';

export type { Program };

const largestTemplate = 1 << 20;
const largestText = 64 << 20;
/** A long conversation takes some ten thousands; these take seconds. */
const mostSteps = 2_000_000;
const largestRange = 1_000_000;

/** Raised by the template itself (`raise_exception`), by a limit, or by a fault in the template. */
export class JinjaError extends Error {
  readonly raised: boolean;

  constructor(message: string, raised: boolean) {
    super(message);
    this.name = 'JinjaError';
    this.raised = raised;
  }
}

export function compile(source: string): Program {
  if (source.length > largestTemplate) throw new JinjaError('it is larger than 1 MB', false);
  try {
    return parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
  } catch (error) {
    throw new JinjaError(`it is not valid Jinja: ${reason(error)}`, false);
  }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

class BoundedInterpreter extends PythonInterpreter {
  #steps = 0;

  override evaluate(statement: unknown, environment: Environment): RuntimeValue {
    if (++this.#steps > mostSteps)
      throw new JinjaError('it runs on without an end in sight', false);
    return super.evaluate(statement, environment);
  }
}

export type Variables = Readonly<Record<string, unknown>>;

export function render(program: Program, variables: Variables, today: Date): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries(constants)) environment.set(name, value);
  environment.set('raise_exception', (message: unknown) => {
    throw new JinjaError(String(message), true);
  });
  environment.set('range', range);
  environment.set('strftime_now', (format: unknown) => strftime(today, String(format)));
  for (const [name, value] of Object.entries(variables)) {
    environment.setVariable(name, runtimeValue(value));
  }
  let text: unknown;
  try {
    text = new BoundedInterpreter(environment).run(program).value;
  } catch (error) {
    if (error instanceof JinjaError) throw error;
    // A stack that overflows or a text past the engine's limit ends here as well.
    throw new JinjaError(reason(error), false);
  }
  if (typeof text !== 'string') throw new JinjaError('it gives no text', false);
  if (text.length > largestText) throw new JinjaError('its text is larger than 64 MB', false);
  return text;
}

const constants = { true: true, false: false, none: null, True: true, False: false, None: null };

function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (step === 0) throw new JinjaError('range() needs a step other than 0', false);
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (!(count <= largestRange)) throw new JinjaError('range() of more than a million', false);
  return Array.from({ length: count }, (_, i) => from + i * step);
}

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** Python's strftime in the C locale, for the parts that a date has. */
function strftime(date: Date, format: string): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const month = months[date.getUTCMonth()]!;
  const day = days[date.getUTCDay()]!;
  const parts: Readonly<Record<string, string>> = {
    Y: String(date.getUTCFullYear()),
    y: two(date.getUTCFullYear() % 100),
    m: two(date.getUTCMonth() + 1),
    d: two(date.getUTCDate()),
    B: month,
    b: month.slice(0, 3),
    h: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
    H: two(date.getUTCHours()),
    I: two(date.getUTCHours() % 12 || 12),
    M: two(date.getUTCMinutes()),
    S: two(date.getUTCSeconds()),
    p: date.getUTCHours() < 12 ? 'AM' : 'PM',
    F: date.toISOString().slice(0, 10),
    '%': '%',
  };
  return format.replace(/%(.)/g, (whole, letter: string) => parts[letter] ?? whole);
}

// ── values ──

// The package does not export its value classes; a probe of each kind has them.
const probe = new Environment();
const probes = {
  list: probe.set('list', []),
  object: probe.set('object', {}),
};

/** As the package's own conversion, but numbers, key order and `__proto__` stay as they were in the file. */
function runtimeValue(value: unknown): RuntimeValue {
  if (value instanceof JsonNumber) return numberValue(value);
  if (Array.isArray(value)) return make(probes.list, value.map(runtimeValue));
  if (typeof value === 'object' && value !== null) {
    const object = value as Parameters<typeof jsonKeys>[0];
    const entries = jsonKeys(object).map((key) => [key, runtimeValue(object[key])] as const);
    return make(probes.object, new Map(entries));
  }
  return new Environment().set('value', value);
}

function make(like: RuntimeValue, value: unknown): RuntimeValue {
  const copy: RuntimeValue = Object.create(Object.getPrototypeOf(like));
  return Object.assign(copy, { type: like.type, value });
}

/** A number that JavaScript would print in another way than Python: `1.0`, `1e5`, twenty digits. */
function numberValue(number: JsonNumber): RuntimeValue {
  const text = toPythonJson(number);
  const kind = /[.eE]/.test(number.text) ? 0.5 : 1;
  const value = new Environment().set('number', kind);
  const exact = new ExactNumber(text);
  return Object.assign(value, { value: exact, toString: () => exact.toString() });
}

/** Counts as a number where it is computed with, and prints as Python does, in JSON too. */
class ExactNumber {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  valueOf(): number {
    return Number(this.#text);
  }

  toString(): string {
    return this.#text;
  }

  toJSON(): unknown {
    const rawJson: unknown = Reflect.get(JSON, 'rawJSON');
    return typeof rawJson === 'function' ? rawJson.call(JSON, this.#text) : Number(this.#text);
  }
}
