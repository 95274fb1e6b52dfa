/** @file LLaMA-Factory's own tool format: `Action: …` and `Action Input: …`. */
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  jsonKeys,
  toPythonJson,
} from '../../files/json.ts';
import { badToolJson } from '../errors.ts';
import { defineToolFormat, type ToolCall, tryJson } from './tool-format.ts';

const words = (value: JsonValue | undefined): string =>
  typeof value === 'string' ? value : value === undefined ? '' : toPythonJson(value);

function describeTool(tool: JsonObject): { name: string; text: string } {
  const bare =
    tool.type === 'function' && isJsonObject(tool.function ?? null) ? tool.function : tool;
  if (!isJsonObject(bare ?? null)) throw badToolJson(undefined, 'a tool', 'it is no object');
  const { name, description, parameters } = bare as JsonObject;
  if (typeof name !== 'string') throw badToolJson(undefined, 'a tool', 'it has no `name`');
  const given = isJsonObject(parameters ?? null) ? (parameters as JsonObject) : {};
  const properties = isJsonObject(given.properties ?? null) ? (given.properties as JsonObject) : {};
  const required = Array.isArray(given.required) ? given.required : [];

  const lines = jsonKeys(properties).map((key) => {
    const value = properties[key] ?? null;
    const parameter = isJsonObject(value) ? value : {};
    const must = required.includes(key) ? ', required' : '';
    const choices =
      Array.isArray(parameter.enum) && parameter.enum.length > 0 ? parameter.enum : null;
    const among = choices ? `, should be one of [${choices.map(words).join(', ')}]` : '';
    const items = isJsonObject(parameter.items ?? null) ? (parameter.items as JsonObject) : {};
    const each =
      jsonKeys(items).length > 0 ? `, where each item should be ${words(items.type)}` : '';
    return `  - ${key} (${words(parameter.type)}${must}): ${words(parameter.description)}${among}${each}\n`;
  });
  const text = `> Tool Name: ${name}\nTool Description: ${words(description)}\nTool Args:\n${lines.join('')}\n`;
  return { name, text };
}

const action = /Action:\s*([a-zA-Z0-9_]+)\s*Action Input:\s*([\s\S]+?)(?=\s*Action:|\s*$)/g;

export const defaultTools = defineToolFormat({
  name: 'default',

  tools(tools) {
    const told = tools.map(describeTool);
    return (
      `You have access to the following tools:\n${told.map(({ text }) => text).join('')}` +
      'Use the following format if using a tool:\n```\n' +
      `Action: tool name (one of [${told.map(({ name }) => name).join(', ')}])\n` +
      'Action Input: the input to the tool, in a JSON format representing the kwargs ' +
      '(e.g. ```{"input": "hello world", "num_beams": 5}```)\n```\n'
    );
  },

  calls: (calls) =>
    calls
      .map((call) => `Action: ${call.name}\nAction Input: ${toPythonJson(call.arguments)}`)
      .join('\n'),

  extract(reply) {
    const calls: ToolCall[] = [];
    for (const [, name = '', input = ''] of reply.matchAll(action)) {
      const bare = input
        .trim()
        .replace(/^"+|"+$/g, '')
        .replace(/^`+|`+$/g, '');
      const value = tryJson(bare);
      if (value === undefined) return undefined;
      calls.push({ name, arguments: value });
    }
    return calls.length > 0 ? calls : undefined;
  },
});
