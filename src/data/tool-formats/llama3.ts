/** @file Llama 3's tool format: JSON with `parameters`, tools after the dates. */
import { toPythonJson } from '../../files/json.ts';
import { callsOfJson } from './json-calls.ts';
import { defineToolFormat, wrapped } from './tool-format.ts';

export const llama3Tools = defineToolFormat({
  name: 'llama3',

  tools: (tools, { today }) =>
    `Cutting Knowledge Date: December 2023\nToday Date: ${today}\n\n` +
    'You have access to the following functions. To call a function, please respond with JSON for ' +
    'a function call. Respond in the format {"name": function name, "parameters": dictionary of ' +
    'argument name and its value}. Do not use variables.\n\n' +
    tools.map((tool) => `${toPythonJson(wrapped(tool), { indent: 4 })}\n\n`).join(''),

  calls(calls) {
    const objects = calls.map(({ name, arguments: given }) => ({ name, parameters: given }));
    return toPythonJson(objects.length === 1 ? objects[0] : objects);
  },

  extract: (reply) => callsOfJson(reply, 'parameters'),
});
