/** @file How the rows of a file are to be read, where nobody said: what most of the first rows look like. */
import type { JsonObject } from '../../files/json.ts';
import { isJsonObject } from '../../files/json.ts';
import { type ColumnName, type Description, type Reading, readingOf } from '../formats/format.ts';
import { formats } from '../formats/index.ts';
import { readRaw } from './raw-rows.ts';

export type Guessed = { readonly format: string; readonly reading: Reading };

/** Columns that a row may carry beside those of its format, by their usual names. */
const usual: readonly (readonly [ColumnName, readonly string[]])[] = [
  ['system', ['system']],
  ['history', ['history']],
  ['tools', ['tools']],
  ['images', ['images']],
  ['videos', ['videos']],
  ['audios', ['audios']],
  ['kto_tag', ['kto_tag', 'label']],
];

/** What most of the first rows look like. */
export function guessFiles(files: readonly string[]): Partial<Guessed> {
  const rows: JsonObject[] = [];
  for (const file of files) {
    for (const { value } of readRaw(file, () => {})) {
      rows.push(value);
      if (rows.length >= 200) break;
    }
    if (rows.length >= 200) break;
  }
  return guessReading(rows) ?? {};
}

/** Undefined where no row is of a known format. */
export function guessReading(rows: readonly JsonObject[]): Guessed | undefined {
  const votes = new Map<
    string,
    { count: number; format: string; columns: Partial<Record<ColumnName, string>> }
  >();
  const ranked = rows.filter((row) => 'chosen' in row && 'rejected' in row).length;
  for (const row of rows) {
    const found = detect(row, ranked > rows.length / 2);
    if (!found) continue;
    const { prompt, query, response, messages } = found.columns;
    const key = JSON.stringify([found.format, prompt, response, messages]);
    const vote = votes.get(key);
    if (!vote) votes.set(key, { count: 1, ...found });
    else {
      vote.count++;
      if (query !== undefined) vote.columns = { ...vote.columns, query };
    }
  }
  const [best] = [...votes.values()].sort((a, b) => b.count - a.count);
  if (!best) return undefined;
  const columns = { ...best.columns };
  for (const [name, words] of usual) {
    if (columns[name] !== undefined || best.format === 'text') continue;
    const word = words.find((each) => rows.some((row) => Object.hasOwn(row, each)));
    // A `label` is a thumb only where it is one of two.
    if (
      word === undefined ||
      (word === 'label' && !rows.some((row) => typeof row.label === 'boolean'))
    )
      continue;
    columns[name] = word;
  }
  if (ranked > rows.length / 2) Object.assign(columns, { chosen: 'chosen', rejected: 'rejected' });
  const description: Description = { columns, ranking: ranked > rows.length / 2 };
  const format = formats[best.format];
  return format && { format: best.format, reading: readingOf(format, description) };
}

function detect(
  row: JsonObject,
  ranked: boolean,
): { format: string; columns: Partial<Record<ColumnName, string>> } | undefined {
  for (const [name, format] of Object.entries(formats)) {
    const columns = format.detect(row);
    if (columns) return { format: spelling(name, row), columns };
  }
  // Ranked rows of plain columns have no reply of their own.
  const prompt = ['instruction', 'prompt', 'question'].find(
    (word) => typeof row[word] === 'string',
  );
  if (!ranked || prompt === undefined) return undefined;
  return { format: 'alpaca', columns: { prompt, ...('input' in row ? { query: 'input' } : {}) } };
}

/** `conversations` of role and content are OpenAI's by another name, and the other way round. */
function spelling(format: string, row: JsonObject): string {
  const list = row.conversations ?? row.messages;
  const first = Array.isArray(list) ? list[0] : undefined;
  if (!isJsonObject(first)) return format;
  if (format === 'sharegpt' && first.from === undefined && first.role !== undefined)
    return 'openai';
  if (format === 'openai' && first.role === undefined && first.from !== undefined)
    return 'sharegpt';
  return format;
}
