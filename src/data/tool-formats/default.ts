/** @file LLaMA-Factory's own tool format: `Action: …` and `Action Input: …`. */
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  jsonKeys,
  toPythonJson,
} from '../../files/json.ts';
import { pythonText } from './python-text.ts';
import { bare, defineToolFormat, nameOf, type ToolCall, tryJson } from './tool-format.ts';

const textOf = (value: JsonValue | undefined): string =>
  value === undefined ? '' : pythonText(value);
const objectOf = (value: JsonValue | undefined): JsonObject =>
  value !== undefined && isJsonObject(value) ? value : {};
const listOf = (value: JsonValue | undefined): readonly JsonValue[] =>
  Array.isArray(value) ? value : [];

function describeTool(tool: JsonObject, name: string): string {
  const given = objectOf(tool.parameters);
  const properties = objectOf(given.properties);
  const required = listOf(given.required);
  const lines = jsonKeys(properties).map((key) => {
    const { type, description, enum: choices, items } = objectOf(properties[key]);
    const must = required.includes(key) ? ', required' : '';
    const allowed = listOf(choices).map(pythonText).join(', ');
    const among = listOf(choices).length > 0 ? `, should be one of [${allowed}]` : '';
    const item = objectOf(items);
    const each =
      jsonKeys(item).length > 0 ? `, where each item should be ${textOf(item.type)}` : '';
    return `  - ${key} (${textOf(type)}${must}): ${textOf(description)}${among}${each}\n`;
  });
  return `> Tool Name: ${name}\nTool Description: ${textOf(tool.description)}\nTool Args:\n${lines.join('')}\n`;
}

const action = /Action:\s*([a-zA-Z0-9_]+)\s*Action Input:\s*([\s\S]+?)(?=\s*Action:|\s*$)/g;

export const defaultTools = defineToolFormat({
  name: 'default',

  tools(tools, { place }) {
    const known = tools.map(bare);
    const names = known.map((tool) => nameOf(tool, place));
    return (
      `You have access to the following tools:\n${known.map((tool, i) => describeTool(tool, names[i])).join('')}` +
      'Use the following format if using a tool:\n```\n' +
      `Action: tool name (one of [${names.join(', ')}])\n` +
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
      const json = input
        .trim()
        .replace(/^"+|"+$/g, '')
        .replace(/^`+|`+$/g, '');
      const value = tryJson(json);
      if (value === undefined) return undefined;
      calls.push({ name, arguments: value });
    }
    return calls.length > 0 ? calls : undefined;
  },
});
