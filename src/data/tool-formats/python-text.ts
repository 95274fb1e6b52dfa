/** @file Python's `str` of what JSON holds, which LLaMA-Factory's tool texts print: `True`, `None`, `['a']`. */
import { isJsonObject, type JsonValue, jsonKeys, toPythonJson } from '../../files/json.ts';

export const pythonText = (value: JsonValue): string =>
  typeof value === 'string' ? value : pythonRepr(value);

/** Those that `str` spells in another way than `json.dumps`. */
const numbers: Readonly<Record<string, string>> = {
  Infinity: 'inf',
  '-Infinity': '-inf',
  NaN: 'nan',
};

function pythonRepr(value: JsonValue): string {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(', ')}]`;
  if (!isJsonObject(value)) return numbers[toPythonJson(value)] ?? toPythonJson(value);
  const items = jsonKeys(value).map((key) => `${quoted(key)}: ${pythonRepr(value[key] ?? null)}`);
  return `{${items.join(', ')}}`;
}

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** In single quotes, unless the text holds such and no double ones. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inside = text.replace(/[\\'"\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (character) => {
    if (character === '\\') return '\\\\';
    if (character === "'" || character === '"')
      return character === quote ? `\\${quote}` : character;
    return escapes[character] ?? escaped(character.codePointAt(0) ?? 0);
  });
  return quote + inside + quote;
}

function escaped(code: number): string {
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
