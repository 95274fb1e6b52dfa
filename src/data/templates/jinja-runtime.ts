/** @file What a chat template is given beside its variables: a way to refuse, and a clock that stands still. */
import { JinjaError } from '../jinja/limits.ts';
import type { Mark } from '../jinja/scope.ts';
import {
  compileTemplate,
  type Rendering,
  renderTemplate,
  type Template,
} from '../jinja/template.ts';
import { Callable, fromJson, toText, type Value } from '../jinja/values.ts';
import { strftime } from './jinja-date.ts';

export type { Mark, Rendering, Template };
export { compileTemplate as compile, JinjaError };

/** JSON values by name, numbers and order of keys as they were in their file. */
export type Variables = Readonly<Record<string, unknown>>;

export type Chat = {
  readonly messages: readonly object[];
  /** All else that the template is given. */
  readonly variables: Variables;
};

export function render(template: Template, chat: Chat, today: Date, secret?: string): Rendering {
  const messages = chat.messages.map(fromJson);
  const turns = new Map(messages.map((message, index) => [message, index] as const));
  const variables = new Map<string, Value>([
    ['raise_exception', raise],
    ['strftime_now', new Callable('strftime_now', ([format]) => strftime(today, toText(format)))],
    ['messages', messages],
  ]);
  for (const [name, value] of Object.entries(chat.variables)) variables.set(name, jsonValue(value));
  return renderTemplate(template, variables, secret === undefined ? { turns } : { turns, secret });
}

const raise = new Callable('raise_exception', ([message = '']) => {
  throw new JinjaError(toText(message), true);
});

/** Tools of many rows are the same list: what a template sees of it is made once. */
const known = new WeakMap<object, Value>();

function jsonValue(value: unknown): Value {
  if (typeof value !== 'object' || value === null) return fromJson(value);
  let made = known.get(value);
  if (made === undefined) {
    made = fromJson(value);
    known.set(value, made);
  }
  return made;
}
