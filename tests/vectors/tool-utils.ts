/** @file Vectors of kind `tool_utils`: tools and calls as text, and calls read back. */
import { TuneryError } from '../../src/core/errors.ts';
import { toolFormats } from '../../src/data/tool-formats/index.ts';
import {
  parseTools,
  type ToolCall,
  type ToolFormat,
  tryJson,
} from '../../src/data/tool-formats/tool-format.ts';
import { type JsonObject, toPythonJson } from '../../src/files/json.ts';
import { compare, Mismatch } from './compare.ts';
import { today } from './encode.ts';
import { listOf, rowsOf, textOf, type Vector } from './vector.ts';

const formats: Readonly<Record<string, ToolFormat>> = toolFormats;

/** Arguments are JSON text there. Only Gemma 4's may be no JSON, and are then a bare text. */
const argumentsText = ({ name }: ToolFormat, { arguments: given }: ToolCall): string =>
  name === 'gemma4' && typeof given === 'string' ? given : toPythonJson(given);

export function checkToolUtils(vector: Vector): void {
  for (const [i, row] of rowsOf(vector).entries()) checkRow(`rows[${i}]`, row);
}

function checkRow(what: string, row: JsonObject): void {
  const format = formats[textOf(row.tool_format)];
  if (!format)
    throw new Mismatch(`${what}: there is no tool format \`${textOf(row.tool_format)}\``);
  if (row.tools !== undefined) {
    const text = format.tools(parseTools(textOf(row.tools), undefined), { today });
    compare(`${what}.tool_text`, row.tool_text, text);
    return;
  }
  if (row.calls !== undefined) {
    const calls = listOf(row.calls).map((call) => {
      const [name, json] = listOf(call).map(textOf);
      return { name: name ?? '', arguments: tryJson(json ?? '') ?? null };
    });
    if (row.error !== undefined) {
      refused(what, () => format.calls(calls));
      return;
    }
    compare(`${what}.text`, row.text, format.calls(calls));
  }
  const text = textOf(row.text);
  const found = format.extract(text);
  const told = found?.map((call) => [call.name, argumentsText(format, call)]) ?? text;
  compare(`${what}.extracted`, row.extracted, told);
}

function refused(what: string, act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    compare(`${what}.error`, 'data/tool-json', error.code);
    return;
  }
  throw new Mismatch(`${what}: expected to be refused`);
}
