/** @file Alpaca rows: instruction, input, output, with system, history, or two ranked outputs. */
import type { Place } from '../../core/errors.ts';
import { didYouMean } from '../../core/suggest.ts';
import type { JsonObject, JsonValue } from '../../files/json.ts';
import { missingColumn, wrongType } from '../errors.ts';
import { at, describe, type Message, textOf } from '../example.ts';
import { desirableOf, mediaOf, toolsOf } from './conversation.ts';
import { defineFormat, type Reading } from './format.ts';

export const alpaca = defineFormat({
  name: 'alpaca',
  title: 'Instruction, input and output',
  columns: { prompt: 'instruction', query: 'input', response: 'output' },
  example: {
    instruction: 'Translate to French.',
    input: 'Good morning.',
    output: 'Bonjour.',
  },

  detect(row) {
    const has = (name: string): boolean => Object.hasOwn(row, name);
    const first = (...names: readonly string[]): string | undefined => names.find(has);
    const prompt = first('instruction', 'prompt', 'question');
    const response = first('output', 'response', 'completion', 'answer');
    if (prompt === undefined || response === undefined) return undefined;
    return {
      prompt,
      response,
      ...(has('input') && prompt === 'instruction' ? { query: 'input' } : {}),
      ...(has('system') ? { system: 'system' } : {}),
      ...(has('history') ? { history: 'history' } : {}),
      ...(has('tools') ? { tools: 'tools' } : {}),
    };
  },

  read(row, reading, place) {
    const { columns } = reading;
    const messages: Message[] = [];
    for (const [i, [question, answer]] of historyOf(row, columns.history, place).entries()) {
      const key = `${columns.history}[${i}]`;
      messages.push({ role: 'user', content: text(question, at(place, `${key}[0]`)) });
      messages.push({ role: 'assistant', content: text(answer, at(place, `${key}[1]`)) });
    }
    demandPrompt(row, reading, place);
    const parts = [textOf(row, columns.prompt, place), textOf(row, columns.query, place)];
    messages.push({ role: 'user', content: parts.filter((part) => part !== '').join('\n') });

    const base = {
      system: textOf(row, columns.system, place),
      tools: toolsOf(row, columns.tools, place),
      media: mediaOf(row, reading),
      place,
    };
    if (reading.ranking) {
      const [chosen, rejected] = rankedTexts(row, reading);
      if (typeof chosen !== 'string' || typeof rejected !== 'string') return { messages, ...base };
      return {
        messages,
        ...base,
        chosen: { role: 'assistant', content: chosen },
        rejected: { role: 'assistant', content: rejected },
      };
    }
    const column = columns.response;
    const reply = column === null ? null : (row[column] ?? null);
    if (column !== null && reply !== null) {
      messages.push({ role: 'assistant', content: text(reply, at(place, column)) });
    } else if (column !== null && !Object.hasOwn(row, column)) {
      // No fault by itself: `stage: pt` learns the prompt alone.
      const absent = { column, found: Object.keys(row) };
      return { messages, ...base, absent, ...desirableOf(row, reading, place) };
    }
    return { messages, ...base, ...desirableOf(row, reading, place) };
  },
});

/** Two columns; where neither is named, a list of two in place of the reply, the better one first, as data of 2023 has it. */
function rankedTexts(row: JsonObject, { columns }: Reading): readonly JsonValue[] {
  const { chosen, rejected, response } = columns;
  const list = response === null ? null : (row[response] ?? null);
  if (chosen === null && rejected === null && Array.isArray(list)) return list;
  return [chosen, rejected].map((column) => (column === null ? null : (row[column] ?? null)));
}

/** A row needs one of the two that make its prompt; which, decides the message. */
function demandPrompt(row: JsonObject, { columns }: Reading, place: Place): void {
  const asked = [columns.prompt, columns.query].filter((column) => column !== null);
  if (asked.some((column) => Object.hasOwn(row, column))) return;
  const keys = Object.keys(row);
  const column = asked[0] ?? 'prompt';
  throw missingColumn(place, column, keys, didYouMean(column, keys));
}

function text(value: JsonValue, place: Place): string {
  if (typeof value === 'string') return value;
  throw wrongType(place, 'a text', describe(value));
}

function historyOf(
  row: JsonObject,
  column: string | null,
  place: Place,
): readonly (readonly [JsonValue, JsonValue])[] {
  const value = column === null ? null : (row[column] ?? null);
  if (value === null) return [];
  if (!Array.isArray(value))
    throw wrongType(at(place, column!), 'a list of turns', describe(value));
  return value.map((turn: JsonValue, i) => {
    if (Array.isArray(turn) && turn.length === 2) return [turn[0], turn[1]] as const;
    throw wrongType(at(place, `${column}[${i}]`), 'a pair [question, answer]', describe(turn));
  });
}
