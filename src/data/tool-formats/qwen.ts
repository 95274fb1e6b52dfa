/** @file Tools as JSON in `<tools>`, calls as JSON in `<tool_call>`: Qwen 2.5 and 3, and Ling. */
import { isJsonObject, toPythonJson } from '../../files/json.ts';
import { defineToolFormat, type ToolCall, tryJson, wrapped } from './tool-format.ts';

const call = /<tool_call>([\s\S]+?)<\/tool_call>(?=\s*<tool_call>|\s*$)/g;

export const qwenTools = defineToolFormat({
  name: 'qwen',

  tools: (tools) =>
    '\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n' +
    'You are provided with function signatures within <tools></tools> XML tags:\n<tools>' +
    tools.map((tool) => `\n${toPythonJson(wrapped(tool))}`).join('') +
    '\n</tools>\n\nFor each function call, return a json object with function name and arguments ' +
    'within <tool_call></tool_call> XML tags:\n<tool_call>\n' +
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>',

  calls: (calls) =>
    calls
      .map(({ name, arguments: given }) => toPythonJson({ name, arguments: given }))
      .map((text) => `<tool_call>\n${text}\n</tool_call>`)
      .join('\n'),

  extract(reply) {
    const calls: ToolCall[] = [];
    for (const [, inside = ''] of reply.matchAll(call)) {
      const value = tryJson(inside.trim());
      if (value === undefined || !isJsonObject(value)) return undefined;
      if (typeof value.name !== 'string' || value.arguments === undefined) return undefined;
      calls.push({ name: value.name, arguments: value.arguments });
    }
    return calls.length > 0 ? calls : undefined;
  },
});

/** Qwen's, with the line by which Ling does not think. */
export const lingTools = defineToolFormat({
  ...qwenTools,
  name: 'ling',
  tools: (tools, telling) =>
    `${qwenTools.tools(tools, telling).trimStart()}\ndetailed thinking off`,
});
