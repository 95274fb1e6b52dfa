/** @file Vectors of kind `convert`: a row and its entry in dataset_info.json, to messages. */
import { TuneryError } from '../../src/core/errors.ts';
import type { Example } from '../../src/data/example.ts';
import {
  type ColumnName,
  type Reading,
  readingOf,
  type TagName,
} from '../../src/data/formats/format.ts';
import { formats } from '../../src/data/formats/index.ts';
import type { JsonObject, JsonValue } from '../../src/files/json.ts';
import { compare, Mismatch } from './compare.ts';
import { listOf, objectOf, rowsOf, textOf, type Vector } from './vector.ts';

const namesOf = <Name extends string>(
  value: JsonValue | undefined,
): Partial<Record<Name, string>> | undefined =>
  value === undefined
    ? undefined
    : (Object.fromEntries(
        Object.entries(objectOf(value)).map(([key, name]) => [key, textOf(name)]),
      ) as Partial<Record<Name, string>>);

function readRow(info: JsonObject, row: JsonObject): Example {
  const name = textOf(info.formatting) || 'alpaca';
  const format = formats[name];
  if (!format) throw new Mismatch(`there is no format \`${name}\``);
  const reading: Reading = readingOf(format, {
    columns: namesOf<ColumnName>(info.columns),
    tags: namesOf<TagName>(info.tags),
    ranking: info.ranking === true,
    detailedThinking: name === 'openai',
  });
  return format.read(row, reading, { file: 'rows.json', line: 1, row: 0 });
}

/** An example as LLaMA-Factory's converter writes it: prompt, then no, one or two replies. */
function aligned({ messages, chosen, rejected, desirable, media, ...rest }: Example): JsonObject {
  const plain = messages.map(({ role, content }) => ({ role, content }));
  const empty = { role: 'assistant', content: '' };
  let prompt = plain;
  let response: JsonValue[] = [];
  if (chosen && rejected) {
    response = [chosen, rejected].map(({ role, content }) => ({ role, content }));
  } else if (plain.length % 2 === 0) {
    prompt = plain.slice(0, -1);
    const replies = plain.slice(-1);
    if (desirable === undefined) response = replies;
    else response = desirable ? [...replies, empty] : [empty, ...replies];
  }
  const { images = null, videos = null, audios = null } = media;
  const { system, tools } = rest;
  return {
    _prompt: prompt,
    _response: response,
    _system: system,
    _tools: tools,
    _images: images,
    _videos: videos,
    _audios: audios,
  };
}

/** Rows that it warns of, fails on, or drops later, since prompts have an odd number of messages. */
function mayBeRefused({ warnings, error, output }: JsonObject): boolean {
  if (warnings !== undefined || error !== undefined) return true;
  const { _prompt: prompt, _response: response } = objectOf(output);
  return listOf(prompt).length % 2 === 0 || listOf(response).length === 0;
}

/**
 * Whether it failed on a column that the row lacks. The vectors were made row by row; in a run, such a key is null
 * unless no row at all has it.
 */
function absentColumn({ error, example }: JsonObject): boolean {
  const message = textOf(objectOf(error).message ?? error);
  const name = /^'(.*)'$/.exec(message)?.[1];
  return name !== undefined && !Object.hasOwn(objectOf(example), name);
}

export function checkConvert(vector: Vector): void {
  for (const [i, row] of rowsOf(vector).entries()) checkRow(`rows[${i}]`, row);
}

function checkRow(what: string, row: JsonObject): void {
  let example: Example;
  try {
    example = readRow(objectOf(row.info), objectOf(row.example));
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    // What is warned of and dropped there is an error with its place here, and so is a value of the wrong type.
    const refusable = mayBeRefused(row) || error.code === 'data/wrong-type';
    if (refusable && error.place?.line === 1) return;
    throw new Mismatch(`${what}: refused: ${error.message}`);
  }
  if (absentColumn(row)) return;
  if (row.error !== undefined || row.warnings !== undefined) {
    throw new Mismatch(
      `${what}: read, where LLaMA-Factory has ${JSON.stringify(row.error ?? row.warnings)}`,
    );
  }
  const { _system: system, _tools: tools, ...rest } = objectOf(row.output);
  compare(what, { ...rest, _system: system ?? '', _tools: tools ?? '' }, aligned(example));
}
