/** @file Calls as `<function=…>` with `<parameter=…>`: Qwen 3.5, and Seed-OSS. */
import { toPythonJson } from '../../files/json.ts';
import {
  bare,
  defineToolFormat,
  parameters,
  type ToolCall,
  taggedArguments,
} from './tool-format.ts';

const parameter = /<parameter=(.*?)>(.*?)<\/parameter>/gs;

function extractTagged(
  reply: string,
  pattern: RegExp,
  plain: (text: string) => string,
): readonly ToolCall[] | undefined {
  const calls = [...reply.matchAll(pattern)].map(([, name = '', block = '']) => ({
    name: name.trim(),
    arguments: taggedArguments(block.trim(), parameter, plain),
  }));
  return calls.length > 0 ? calls : undefined;
}

export const qwen35Tools = defineToolFormat({
  name: 'qwen3_5',

  tools: (tools) =>
    '\n\n# Tools\n\nYou have access to the following functions:\n\n<tools>' +
    tools.map((tool) => `\n${toPythonJson(bare(tool))}`).join('') +
    '\n</tools>\n\nIf you choose to call a function ONLY reply in the following format with NO suffix:\n\n' +
    '<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\nvalue_1\n</parameter>\n' +
    '<parameter=example_parameter_2>\nThis is the value for the second parameter\nthat can span\n' +
    'multiple lines\n</parameter>\n</function>\n</tool_call>\n\n<IMPORTANT>\nReminder:\n' +
    '- Function calls MUST follow the specified format: an inner <function=...></function> block must ' +
    'be nested within <tool_call></tool_call> XML tags\n- Required parameters MUST be specified\n' +
    '- You may provide optional reasoning for your function call in natural language BEFORE the ' +
    'function call, but NOT after\n- If there is no function call available, answer the question like ' +
    'normal with your current knowledge and do not tell the user about function calls\n</IMPORTANT>',

  calls: (calls, place) =>
    calls
      .map((call) => {
        const given = parameters(call, place).map(
          ([key, value]) => `\n<parameter=${key}>\n${value}\n</parameter>`,
        );
        return `<tool_call>\n<function=${call.name}>${given.join('')}\n</function>\n</tool_call>`;
      })
      .join('\n'),

  extract: (reply) =>
    extractTagged(
      reply,
      /<tool_call>\s*<function=\s*([^\s<>]+)\s*(.*?)\s*<\/function>\s*<\/tool_call>/gs,
      (text) => text.trim(),
    ),
});

export const seedOssTools = defineToolFormat({
  name: 'seed_oss',

  tools: (tools) =>
    'system\nYou are Doubao, a helpful AI assistant. You may call one or more functions to assist ' +
    'with the user query.Tool List:\nYou are authorized to use the following tools (described in ' +
    'JSON Schema format). Before performing any task, you must decide how to call them based on the ' +
    `descriptions and parameters of these tools.\n${toPythonJson(tools)}\n` +
    '工具调用请遵循如下格式:\n<seed:tool_call>\n<function=example_function_name>\n' +
    '<parameter=example_parameter_1>value_1</parameter>\n<parameter=example_parameter_2>This is the ' +
    'value for the second parameter\nthat can span\nmultiple lines</parameter>\n</function>\n' +
    '</seed:tool_call>\n',

  // LLaMA-Factory leaves the tag of the function open.
  calls: (calls, place) =>
    calls
      .map((call) => {
        const given = parameters(call, place).map(
          ([key, value]) => `\n<parameter=${key}>${value}</parameter>`,
        );
        return `\n<seed:tool_call>\n<function=${call.name}${given.join('')}\n</function>\n</seed:tool_call>`;
      })
      .join('\n'),

  extract: (reply) =>
    extractTagged(
      reply,
      /<seed:tool_call>\s*<function=\s*([^\s<]+)\s*(.*?)\s*<\/function>\s*<\/seed:tool_call>/gs,
      (text) => text,
    ),
});
