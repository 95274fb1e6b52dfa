/** @file Tool formats: how a template writes tools and calls as text, and reads calls back from a reply. */
import type { Place } from '../../core/errors.ts';
import { TuneryError } from '../../core/errors.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  jsonKeys,
  parseJson,
  toPythonJson,
} from '../../files/json.ts';
import { badToolJson } from '../errors.ts';
import { describe } from '../example.ts';

export type ToolCall = {
  readonly name: string;
  readonly arguments: JsonValue;
};

/** Where tools are told: the day that some formats print (`02 Jan 2025`), and the row for errors. */
export type Telling = { readonly today: string; readonly place?: Place | undefined };

export type ToolFormat = {
  readonly name: string;
  /** The text that describes tools, put after the system text. */
  tools(tools: readonly JsonObject[], telling: Telling): string;
  calls(calls: readonly ToolCall[], place?: Place): string;
  /** The calls of a reply; undefined where it holds none. */
  extract(reply: string): readonly ToolCall[] | undefined;
};

export const defineToolFormat = (format: ToolFormat): ToolFormat => format;

/** `{"type": "function", "function": …}` around a bare tool. */
export const wrapped = (tool: JsonObject): JsonObject =>
  tool.type === 'function' ? tool : { type: 'function', function: tool };

/** The tool without `{"type": "function", "function": …}` around it. */
export const bare = (tool: JsonObject): JsonObject =>
  tool.type === 'function' && isJsonObject(tool.function ?? null)
    ? (tool.function as JsonObject)
    : tool;

export function nameOf(tool: JsonObject, place: Place | undefined): string {
  if (typeof tool.name === 'string') return tool.name;
  throw badToolJson(place, 'a tool', 'it has no `name`');
}

/** JSON of a reply; undefined where it is none. */
export function tryJson(text: string): JsonValue | undefined {
  try {
    return parseJson(text, { file: 'reply' });
  } catch (error) {
    if (error instanceof TuneryError) return undefined;
    throw error;
  }
}

const inner = (error: unknown): string => {
  if (error instanceof TuneryError) return error.message;
  throw error;
};

/** The tools of an example. */
export function parseTools(text: string, place: Place | undefined): readonly JsonObject[] {
  let value: JsonValue;
  try {
    value = parseJson(text, { file: 'tools' });
  } catch (error) {
    throw badToolJson(place, 'the tools’ description', inner(error));
  }
  // An empty object says as little as an empty list.
  const none = value === '' || (isJsonObject(value) && jsonKeys(value).length === 0);
  const tools: readonly JsonValue[] = none ? [] : Array.isArray(value) ? value : [value];
  return tools.map((tool) => {
    if (isJsonObject(tool)) return tool;
    throw badToolJson(place, 'the tools’ description', `a tool is ${describe(tool)}`);
  });
}

/** The calls of a `function` message. */
export function parseCalls(text: string, place: Place | undefined): readonly ToolCall[] {
  let value: JsonValue;
  try {
    value = parseJson(text, { file: 'call' });
  } catch (error) {
    throw badToolJson(place, 'the call', inner(error));
  }
  const calls: readonly JsonValue[] = Array.isArray(value) ? value : [value];
  return calls.map((call) => {
    if (!isJsonObject(call)) throw badToolJson(place, 'the call', `it is ${describe(call)}`);
    const { name, arguments: given } = call;
    if (typeof name !== 'string') throw badToolJson(place, 'the call', 'it has no `name`');
    if (given === undefined) throw badToolJson(place, 'the call', 'it has no `arguments`');
    return { name, arguments: given };
  });
}

// ── arguments one by one, for the formats that write them so ──

/** The arguments of a call by name. OpenAI's rows hold them as JSON text, which is read here. */
export function argumentsOf(call: ToolCall, place: Place | undefined): JsonObject {
  const { name, arguments: given } = call;
  const value = typeof given === 'string' ? (tryJson(given) ?? given) : given;
  if (isJsonObject(value)) return value;
  throw badToolJson(place, `the call of \`${name}\``, `its arguments are ${describe(value)}`);
}

/** Each argument as text: a string as it is, all else as JSON. */
export function parameters(
  call: ToolCall,
  place: Place | undefined,
): readonly (readonly [name: string, text: string])[] {
  const given = argumentsOf(call, place);
  return jsonKeys(given).map((name) => {
    const value = given[name] ?? null;
    return [name, typeof value === 'string' ? value : toPythonJson(value)] as const;
  });
}

/** An object of these entries, in their order; of two with one key, the later value counts. */
export function objectOf(entries: Iterable<readonly [name: string, value: JsonValue]>): JsonValue {
  const items = [...entries].map(([name, value]) => `${toPythonJson(name)}:${toPythonJson(value)}`);
  return parseJson(`{${items.join(',')}}`, { file: 'reply' });
}

/** Arguments written as tags: `pattern` finds each one's name and text, of which JSON is read as such. */
export function taggedArguments(
  block: string,
  pattern: RegExp,
  plain: (text: string) => string,
): JsonValue {
  return objectOf(
    [...block.matchAll(pattern)].map(([, name = '', text = '']) => [
      name,
      tryJson(text.trim()) ?? plain(text),
    ]),
  );
}
