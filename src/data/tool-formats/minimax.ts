/** @file Tool formats of MiniMax: JSON lines in `<tool_calls>` (M1), `<invoke>` with parameters (M2). */
import { isJsonObject, toPythonJson } from '../../files/json.ts';
import {
  bare,
  defineToolFormat,
  parameters,
  type ToolCall,
  taggedArguments,
  tryJson,
} from './tool-format.ts';

export const minimax1Tools = defineToolFormat({
  name: 'minimax1',

  tools: (tools) =>
    'You are provided with these tools:\n<tools>\n' +
    tools.map((tool) => `${toPythonJson(bare(tool))}\n`).join('') +
    '</tools>\n\nIf you need to call tools, please respond with <tool_calls></tool_calls> XML tags, ' +
    'and provide tool-name and json-object of arguments, following the format below:\n<tool_calls>\n' +
    '{"name": <tool-name-1>, "arguments": <args-json-object-1>}\n...\n</tool_calls>',

  calls: (calls) => {
    const lines = calls.map(({ name, arguments: given }) =>
      toPythonJson({ name, arguments: given }),
    );
    return `<tool_calls>\n${lines.join('\n')}\n</tool_calls>`;
  },

  // A line that is no JSON is passed over; where all are, there are no calls, and that is no plain text.
  extract(reply) {
    const inside = /<tool_calls>\s*([\s\S]+?)\s*<\/tool_calls>/.exec(reply)?.[1];
    return inside?.split('\n').flatMap((line): ToolCall[] => {
      const value = tryJson(line.trim());
      if (value === undefined || !isJsonObject(value) || typeof value.name !== 'string') return [];
      return value.arguments === undefined
        ? []
        : [{ name: value.name, arguments: value.arguments }];
    });
  },
});

export const minimax2Tools = defineToolFormat({
  name: 'minimax2',

  tools: (tools) =>
    '\n\n# Tools\n\nYou may call one or more tools to assist with the user query.\n' +
    'Here are the tools available in JSONSchema format:\n\n<tools>\n' +
    tools.map((tool) => `<tool>${toPythonJson(bare(tool))}</tool>\n`).join('') +
    '</tools>\n\nWhen making tool calls, use XML format to invoke tools and pass parameters:\n' +
    '\n<minimax:tool_call>\n<invoke name="tool-name-1">\n' +
    '<parameter name="param-key-1">param-value-1</parameter>\n' +
    '<parameter name="param-key-2">param-value-2</parameter>\n...\n</invoke>\n</minimax:tool_call>',

  // LLaMA-Factory writes no `<minimax:tool_call>` around them, and so does not read them back.
  calls: (calls, place) =>
    calls
      .map((call) => {
        const given = parameters(call, place).map(
          ([key, value]) => `\n<parameter name="${key}">${value}</parameter>`,
        );
        return `<invoke name="${call.name}">${given.join('')}\n</invoke>`;
      })
      .join('\n'),

  extract(reply) {
    const inside = /<minimax:tool_call>\s*([\s\S]+?)\s*<\/minimax:tool_call>/.exec(reply)?.[1];
    if (inside === undefined) return undefined;
    return [...inside.matchAll(/<invoke name="(.*?)">(.*?)<\/invoke>/gs)].map(
      ([, name = '', block = '']) => ({
        name: name.trim(),
        arguments: taggedArguments(
          block,
          /<parameter name="(.*?)">(.*?)<\/parameter>/gs,
          (text) => text,
        ),
      }),
    );
  },
});
