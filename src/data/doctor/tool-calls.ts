/** @file Tools and calls of a row, read leniently: each with its place, or with what is wrong with it. */
import { TuneryError } from '../../core/errors.ts';
import {
  isJsonObject,
  JsonNumber,
  type JsonObject,
  type JsonValue,
  parseJson,
} from '../../files/json.ts';
import { describe } from '../example.ts';
import type { Path } from './locate.ts';

export type Call = {
  readonly path: Path;
  readonly name?: string;
  readonly arguments?: JsonObject;
  /** Why it is no call. */
  readonly fault?: string;
};

export type Tool = {
  readonly name: string;
  readonly required: readonly string[];
  /** The schema of each parameter; undefined where the tool describes none. */
  readonly parameters: JsonObject | undefined;
};

/** `tools` is undefined where the row declares none. */
export type Declared = {
  readonly path: Path;
  readonly tools?: readonly Tool[];
  readonly fault?: string;
};

type Parsed = { readonly value?: JsonValue; readonly fault?: string };

function parse(text: string): Parsed {
  try {
    return { value: parseJson(text, { file: 'row' }) };
  } catch (error) {
    if (error instanceof TuneryError) return { fault: error.message };
    throw error;
  }
}

/** Thoughts before the calls, and the words that some put around them. */
const around = /<think>[\s\S]*?<\/think>|<\/?tool_calls?>|<\/?function_call>/g;

/** The calls of a `function` message. */
export function callsOfText(text: string, path: Path): readonly Call[] {
  const json = text.replace(around, '').trim();
  // An empty message is another defect.
  if (json === '') return [];
  const { value, fault } = parse(json);
  if (value === undefined) return [{ path, fault: fault ?? 'it is empty' }];
  const calls: readonly JsonValue[] = Array.isArray(value) ? value : [value];
  return calls.map((call) => readCall(call, path));
}

function readCall(call: JsonValue, path: Path): Call {
  if (!isJsonObject(call)) return { path, fault: `it is ${describe(call)}, not an object` };
  const { name } = call;
  if (typeof name !== 'string' || name === '') return { path, fault: 'it has no `name`' };
  if (call.arguments === undefined) return { path, name, fault: 'it has no `arguments`' };
  const given = call.arguments;
  if (isJsonObject(given)) return { path, name, arguments: given };
  if (typeof given !== 'string') {
    return { path, name, fault: `its \`arguments\` are ${describe(given)}, not an object` };
  }
  const { value, fault } = parse(given === '' ? '{}' : given);
  if (value === undefined) return { path, name, fault: `its \`arguments\` are ${fault}` };
  if (isJsonObject(value)) return { path, name, arguments: value };
  return { path, name, fault: `its \`arguments\` are ${describe(value)}, not an object` };
}

/** The `tool_calls` of an OpenAI message. */
export function callsOfMessage(message: JsonObject, path: Path): readonly Call[] {
  const list = message.tool_calls ?? null;
  if (list === null) return [];
  const at = [...path, 'tool_calls'];
  if (!Array.isArray(list)) return [{ path: at, fault: `they are ${describe(list)}, not a list` }];
  return list.map((call: JsonValue, i): Call => {
    const where = [...at, i];
    const inner = isJsonObject(call) ? (call.function ?? call) : call;
    const here = isJsonObject(call) && call.function !== undefined ? [...where, 'function'] : where;
    const read = readCall(inner, here);
    return isJsonObject(inner) && inner.arguments !== undefined
      ? { ...read, path: [...here, 'arguments'] }
      : read;
  });
}

export function declaredTools(row: JsonObject, column: string | null): Declared {
  const path = column === null ? [] : [column];
  const given = column === null ? null : (row[column] ?? null);
  if (given === null || given === '') return { path };
  const { value, fault } = typeof given === 'string' ? parse(given) : { value: given };
  if (value === undefined) return { path, fault: fault ?? 'they are empty' };
  if (!Array.isArray(value) && !isJsonObject(value)) {
    return { path, fault: `they are ${describe(value)}, not a list` };
  }
  const list: readonly JsonValue[] = Array.isArray(value) ? value : [value];
  const tools: Tool[] = [];
  for (const [i, tool] of list.entries()) {
    if (!isJsonObject(tool))
      return { path, fault: `tool ${i} is ${describe(tool)}, not an object` };
    const inner = isJsonObject(tool.function ?? null) ? (tool.function as JsonObject) : tool;
    const { name, parameters = null } = inner;
    if (typeof name !== 'string') return { path, fault: `tool ${i} has no \`name\`` };
    const schema = isJsonObject(parameters) ? parameters : {};
    const required = Array.isArray(schema.required) ? schema.required : [];
    const properties = schema.properties;
    tools.push({
      name,
      required: required.filter((word) => typeof word === 'string'),
      parameters: isJsonObject(properties) ? properties : undefined,
    });
  }
  return { path, tools };
}

const kinds: Readonly<Record<string, (value: JsonValue) => boolean>> = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number' || value instanceof JsonNumber,
  integer: (value) => typeof value === 'number' || value instanceof JsonNumber,
  boolean: (value) => typeof value === 'boolean',
  array: (value) => Array.isArray(value),
  object: (value) => isJsonObject(value),
};

/** What an argument should be, where it is not that; undefined where it fits, or its schema says nothing plain. */
export function misfit(value: JsonValue, schema: JsonValue | undefined): string | undefined {
  if (!isJsonObject(schema)) return undefined;
  const { type, enum: allowed } = schema;
  if (typeof type === 'string' && Object.hasOwn(kinds, type) && kinds[type]?.(value) === false)
    return type;
  if (Array.isArray(allowed) && typeof value === 'string' && !allowed.includes(value)) {
    return `one of ${allowed.slice(0, 6).join(', ')}`;
  }
  return undefined;
}
