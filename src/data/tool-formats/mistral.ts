/** @file Mistral's tool format (v3): tools in `[AVAILABLE_TOOLS]`, calls as a JSON list. */
import { toPythonJson } from '../../files/json.ts';
import { callsOfJson } from './json-calls.ts';
import { defineToolFormat, wrapped } from './tool-format.ts';

export const mistralTools = defineToolFormat({
  name: 'mistral',
  tools: (tools) => `[AVAILABLE_TOOLS] ${toPythonJson(tools.map(wrapped))}[/AVAILABLE_TOOLS]`,
  calls: (calls) =>
    toPythonJson(calls.map(({ name, arguments: given }) => ({ name, arguments: given }))),
  extract: (reply) => callsOfJson(reply, 'arguments'),
});
