/** @file Tool formats: how a template writes tools and calls as text, and reads calls back from a reply. */
import type { Place } from '../../core/errors.ts';
import { TuneryError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from '../../files/json.ts';
import { badToolJson } from '../errors.ts';
import { describe } from '../example.ts';

export type ToolCall = {
  readonly name: string;
  readonly arguments: JsonValue;
};

export type ToolFormat = {
  readonly name: string;
  /** The text that describes tools, put after the system text. `today` is a date as `02 Jan 2025`. */
  tools(tools: readonly JsonObject[], today: string): string;
  calls(calls: readonly ToolCall[]): string;
  /** The calls of a reply; undefined where it holds none. */
  extract(reply: string): readonly ToolCall[] | undefined;
};

export const defineToolFormat = (format: ToolFormat): ToolFormat => format;

/** `{"type": "function", "function": …}` around a bare tool. */
export const wrapped = (tool: JsonObject): JsonObject =>
  tool.type === 'function' ? tool : { type: 'function', function: tool };

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
  const tools: readonly JsonValue[] = Array.isArray(value) ? value : [value];
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
