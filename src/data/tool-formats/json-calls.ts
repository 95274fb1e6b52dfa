/** @file Calls of a reply that is JSON and nothing else: one object, or a list of them. */
import { isJsonObject, type JsonValue } from '../../files/json.ts';
import { type ToolCall, tryJson } from './tool-format.ts';

/** Undefined where the reply is no JSON, or an object lacks its name or the key of its arguments. */
export function callsOfJson(reply: string, key: string): readonly ToolCall[] | undefined {
  const value = tryJson(reply.trim());
  if (value === undefined) return undefined;
  const found: readonly JsonValue[] = Array.isArray(value) ? value : [value];
  const calls: ToolCall[] = [];
  for (const item of found) {
    if (!isJsonObject(item) || typeof item.name !== 'string') return undefined;
    const given = item[key];
    if (given === undefined) return undefined;
    calls.push({ name: item.name, arguments: given });
  }
  return calls;
}
