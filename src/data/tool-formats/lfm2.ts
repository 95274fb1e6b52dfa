/** @file LFM 2's tool format: a JSON list of tools, calls as Python's `[name(key=value), …]`. */
import { jsonKeys, toPythonJson } from '../../files/json.ts';
import { readPythonCalls } from './python-calls.ts';
import { argumentsOf, bare, defineToolFormat } from './tool-format.ts';

const open = '<|tool_call_start|>';
const close = '<|tool_call_end|>';

export const lfm2Tools = defineToolFormat({
  name: 'lfm2',

  tools: (tools) =>
    `List of tools: <|tool_list_start|>${toPythonJson(tools.map(bare))}<|tool_list_end|>`,

  // As LLaMA-Factory has it: quotes inside a text are not escaped, and true, false and null are JSON's.
  calls(calls, place) {
    const texts = calls.map((call) => {
      const given = argumentsOf(call, place);
      const parts = jsonKeys(given).map((key) => {
        const value = given[key] ?? null;
        return `${key}=${typeof value === 'string' ? `"${value}"` : toPythonJson(value)}`;
      });
      return `${call.name}(${parts.join(', ')})`;
    });
    return `${open}[${texts.join(', ')}]${close}`;
  },

  extract(reply) {
    const from = reply.indexOf(open);
    const to = from < 0 ? -1 : reply.indexOf(close, from);
    if (to < 0) return undefined;
    const calls = readPythonCalls(reply.slice(from + open.length, to).trim());
    return calls === undefined || calls.length === 0 ? undefined : calls;
  },
});
