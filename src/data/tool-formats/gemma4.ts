/** @file Gemma 4's tool format: declarations and calls whose texts stand in `<|"|>`. */
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  jsonKeys,
  toPythonJson,
} from '../../files/json.ts';
import { pythonText } from './python-text.ts';
import { bare, defineToolFormat, nameOf, tryJson } from './tool-format.ts';

const mark = '<|"|>';
const marked = (text: string): string => mark + text + mark;
const objectOf = (value: JsonValue | undefined): JsonObject =>
  value !== undefined && isJsonObject(value) ? value : {};
/** Python's notion: neither absent nor null, false, zero or empty. */
const given = (value: JsonValue | undefined): value is JsonValue =>
  Boolean(value?.valueOf()) &&
  !(Array.isArray(value) && value.length === 0) &&
  !(isJsonObject(value) && jsonKeys(value).length === 0);
const typeOf = (value: JsonValue): string => pythonText(value).toUpperCase();
const byCodePoint = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));

function describeProperty(schema: JsonObject): string {
  const parts: string[] = [];
  if (given(schema.description))
    parts.push(`description:${marked(pythonText(schema.description))}`);
  if (given(schema.type)) parts.push(`type:${marked(typeOf(schema.type))}`);
  return parts.join(',');
}

function describeParameters(parameters: JsonObject): string {
  const { properties, required, type } = parameters;
  const parts: string[] = [];
  if (given(properties)) {
    const each = objectOf(properties);
    const texts = jsonKeys(each).map((key) => `${key}:{${describeProperty(objectOf(each[key]))}}`);
    parts.push(`properties:{${texts.join(',')}}`);
  }
  if (Array.isArray(required) && required.length > 0) {
    parts.push(`required:[${required.map((key) => marked(pythonText(key))).join(',')}]`);
  }
  if (given(type)) parts.push(`type:${marked(typeOf(type))}`);
  return parts.join(',');
}

function describeResponse({ description, type }: JsonObject): string {
  const parts: string[] = [];
  if (given(description)) parts.push(`description:${marked(pythonText(description))}`);
  if (typeOf(type ?? '') === 'OBJECT') parts.push(`type:${marked('OBJECT')}`);
  return parts.join(',');
}

function write(value: JsonValue): string {
  if (typeof value === 'string') return marked(value);
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (isJsonObject(value)) return `{${entries(value)}}`;
  return pythonText(value);
}

/** Sorted by key, as Gemma's own template has them. */
const entries = (object: JsonObject): string =>
  [...jsonKeys(object)]
    .sort(byCodePoint)
    .map((key) => `${key}:${write(object[key] ?? null)}`)
    .join(',');

/** JSON once texts and keys are quoted; a text that cannot be read so stays a text. */
function readArguments(block: string): JsonValue {
  const text = block.trim();
  if (text === '') return {};
  const json = `{${text}}`
    .replace(/<\|"\|>(.*?)<\|"\|>/gs, (_, inside: string) => toPythonJson(inside))
    .replace(/(^|[{\s,])([A-Za-z_][A-Za-z0-9_]*)(\s*:)/g, '$1"$2"$3');
  return tryJson(json) ?? tryJson(text) ?? text;
}

export const gemma4Tools = defineToolFormat({
  name: 'gemma4',

  tools: (tools, { place }) =>
    tools
      .map(bare)
      .map((tool) => {
        const { description, parameters, response } = tool;
        const told = given(parameters)
          ? `,parameters:{${describeParameters(objectOf(parameters))}}`
          : '';
        const back = given(response) ? `,response:{${describeResponse(objectOf(response))}}` : '';
        const what = marked(description === undefined ? '' : pythonText(description));
        return `declaration:${nameOf(tool, place)}{description:${what}${told}${back}}`;
      })
      .join('\n'),

  calls: (calls) =>
    calls
      .map(({ name, arguments: value }) => {
        const inside = isJsonObject(value)
          ? entries(value)
          : typeof value === 'string'
            ? value
            : write(value);
        return `<|tool_call>call:${name}{${inside}}<tool_call|>`;
      })
      .join(''),

  extract(reply) {
    const calls = [...reply.matchAll(/<\|tool_call>call:([^{\s]+)\{(.*?)\}<tool_call\|>/gs)].map(
      ([, name = '', block = '']) => ({ name: name.trim(), arguments: readArguments(block) }),
    );
    return calls.length > 0 ? calls : undefined;
  },
});
