/** @file Tools, calls and results: whether they can be read, and whether they fit each other. */
import { didYouMean } from '../../../core/suggest.ts';
import { isJsonObject, type JsonValue } from '../../../files/json.ts';
import { describe } from '../../example.ts';
import { defineCheck } from '../check.ts';
import { misfit } from '../tool-calls.ts';

export const toolJson = defineCheck({
  code: 'data/tool-json',
  severity: 'error',
  title: 'tools or a call are no valid JSON',
  help: 'a call is {"name": …, "arguments": {…}} or a list of them; tools are a JSON list of {"name", "description", "parameters"}',
  row({ tools, calls }, found) {
    if (tools.fault !== undefined) found(`the tools cannot be read: ${tools.fault}`, tools.path);
    for (const { path, name, fault } of calls) {
      if (fault === undefined) continue;
      found(
        `the call${name === undefined ? '' : ` of \`${name}\``} cannot be read: ${fault}`,
        path,
      );
    }
  },
});

export const unknownTool = defineCheck({
  code: 'data/unknown-tool',
  severity: 'warning',
  title: 'a call names a tool that the row does not declare',
  help: 'declare it in the row’s tools, or mend the name',
  row({ tools: { tools }, calls }, found) {
    if (!tools) return;
    const names = tools.map(({ name }) => name);
    for (const { path, name } of calls) {
      if (name === undefined || names.includes(name)) continue;
      found(`\`${name}\` is called and not declared${didYouMean(name, names)}`, path);
    }
  },
});

export const undeclaredTools = defineCheck({
  code: 'data/no-tools',
  severity: 'warning',
  title: 'a row calls tools and declares none',
  help: 'name the column of the tools under `columns` in dataset_info.json, or add it to the row',
  row({ tools, calls }, found) {
    const [call] = calls;
    if (call?.name === undefined || tools.tools || tools.fault !== undefined) return;
    found(`\`${call.name}\` is called, and the row declares no tools`, call.path);
  },
});

export const toolArguments = defineCheck({
  code: 'data/tool-arguments',
  severity: 'warning',
  title: 'a call does not fit what its tool takes',
  help: 'mend the call, or the parameters that the tool declares',
  row({ tools: { tools }, calls }, found) {
    for (const { path, name, arguments: given } of calls) {
      const tool = tools?.find((each) => each.name === name);
      if (!tool || !given) continue;
      const absent = tool.required.find((word) => !Object.hasOwn(given, word));
      if (absent !== undefined)
        found(`\`${name}\` is called without \`${absent}\`, which it requires`, path);
      const { parameters } = tool;
      if (!parameters || Object.keys(parameters).length === 0) continue;
      for (const [word, value] of Object.entries(given)) {
        if (!Object.hasOwn(parameters, word)) {
          found(
            `\`${name}\` takes no \`${word}\`${didYouMean(word, Object.keys(parameters))}`,
            path,
          );
          break;
        }
        const wanted = misfit(value, parameters[word]);
        if (wanted === undefined) continue;
        found(`\`${word}\` of \`${name}\` should be ${wanted}, and is ${describe(value)}`, path);
        break;
      }
    }
  },
});

export const toolId = defineCheck({
  code: 'data/tool-id',
  severity: 'warning',
  title: 'a tool’s result answers a call that is not there',
  help: 'give `tool_call_id` the `id` of the call that it answers',
  row({ value, reading: { columns, tags }, format }, found) {
    if (format !== 'openai') return;
    const column = columns.messages ?? 'messages';
    const list = value[column];
    const ids = new Set<JsonValue>();
    for (const [i, message] of (Array.isArray(list) ? list : []).entries()) {
      if (!isJsonObject(message)) continue;
      const { tool_calls: calls, tool_call_id: id } = message;
      for (const call of Array.isArray(calls) ? calls : []) {
        if (isJsonObject(call) && typeof call.id === 'string') ids.add(call.id);
      }
      if (message[tags.role_tag] !== tags.observation_tag || typeof id !== 'string') continue;
      if (ids.size > 0 && !ids.has(id))
        found(`no call before has the id \`${id}\``, [column, i, 'tool_call_id']);
    }
  },
});

export const resultWithoutCall = defineCheck({
  code: 'data/result-without-call',
  severity: 'warning',
  title: 'a tool’s result follows no call',
  help: 'put the call before it, or remove it',
  row({ turns, format }, found) {
    for (const [i, { role, rolePath }] of turns.entries()) {
      if (role !== 'observation') continue;
      const before = turns[i - 1]?.role;
      if (before === 'function' || (format === 'openai' && before === 'observation')) continue;
      found('a tool’s result stands here, and no call before it', rolePath);
    }
  },
});

export const callWithoutResult = defineCheck({
  code: 'data/call-without-result',
  severity: 'warning',
  title: 'a call gets no result',
  help: 'put the tool’s result after it, or end the conversation with the call',
  row({ turns }, found) {
    for (const [i, { role, path }] of turns.entries()) {
      const next = turns[i + 1];
      if (role === 'function' && next && next.role !== 'observation')
        found('the call is followed by no result', path);
    }
  },
});
