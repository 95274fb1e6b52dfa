/** @file Tool formats of GLM-4 (a name, then JSON on the next line) and GLM-4.5 (keys and values in tags). */
import { toPythonJson } from '../../files/json.ts';
import { badToolJson } from '../errors.ts';
import { qwenTools } from './qwen.ts';
import { bare, defineToolFormat, nameOf, parameters, tryJson, wrapped } from './tool-format.ts';

export const glm4Tools = defineToolFormat({
  name: 'glm4',

  tools: (tools, { place }) =>
    '你是一个名为 ChatGLM 的人工智能助手。你是基于智谱 AI 公司训练的语言模型 GLM-4 模型开发的，' +
    '你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n# 可用工具' +
    tools
      .map(bare)
      .map((tool) => `\n\n## ${nameOf(tool, place)}\n\n${toPythonJson(tool, { indent: 4 })}`)
      .map((text) => `${text}\n在调用上述函数时，请使用 Json 格式表示调用的参数。`)
      .join(''),

  calls(calls, place) {
    const [call] = calls;
    if (call === undefined || calls.length > 1) {
      throw badToolJson(
        place,
        'the call',
        `GLM-4 makes one call a turn, and here are ${calls.length}`,
      );
    }
    return `${call.name}\n${toPythonJson(call.arguments)}`;
  },

  extract(reply) {
    const end = reply.indexOf('\n');
    const value = end < 0 ? undefined : tryJson(reply.slice(end + 1).trim());
    return value === undefined ? undefined : [{ name: reply.slice(0, end), arguments: value }];
  },
});

export const glm4MoeTools = defineToolFormat({
  name: 'glm4_moe',

  tools: (tools) =>
    '\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n' +
    'You are provided with function signatures within <tools></tools> XML tags:\n<tools>' +
    tools.map((tool) => `\n${toPythonJson(wrapped(tool))}`).join('') +
    '\n</tools>\n\nFor each function call, output the function name and arguments within the ' +
    'following XML format:\n<tool_call>{function-name}' +
    [1, 2]
      .map((i) => `\n<arg_key>{arg-key-${i}}</arg_key>\n<arg_value>{arg-value-${i}}</arg_value>`)
      .join('') +
    '\n...\n</tool_call>\n',

  // LLaMA-Factory leaves the call open, and reads calls back as Qwen's.
  calls: (calls, place) =>
    calls
      .map((call) =>
        parameters(call, place).reduce(
          (text, [key, value]) =>
            `${text}\n<arg_key>${key}</arg_key>\n<arg_value>${value}</arg_value>`,
          `\n<tool_call>${call.name}`,
        ),
      )
      .join('\n'),

  extract: qwenTools.extract,
});
