/** @file Tools, calls and results: whether they can be read, and whether they fit each other. */
import { didYouMean } from '../../../core/suggest.ts';
import { defineCheck } from '../check.ts';

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
      const extra = Object.keys(given).find(
        (word) => parameters && parameters.length > 0 && !parameters.includes(word),
      );
      if (extra !== undefined) {
        found(`\`${name}\` takes no \`${extra}\`${didYouMean(extra, parameters ?? [])}`, path);
      }
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
