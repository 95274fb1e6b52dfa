/** @file Conversations of turns, each with what was asked and what was answered: `{"human": …, "assistant": …}`. */
import { isJsonObject, type JsonValue } from '../../files/json.ts';
import { wrongType } from '../errors.ts';
import { at, describe, type Message, textOf } from '../example.ts';
import { mediaOf, toolsOf } from './conversation.ts';
import { defineFormat } from './format.ts';

export const turns = defineFormat({
  name: 'turns',
  title: 'Turns of `human` and `assistant`',
  columns: { messages: 'conversation' },
  tags: { user_tag: 'human', assistant_tag: 'assistant' },
  example: {
    conversation: [{ human: 'Hello!', assistant: 'Hello, how can I help?' }],
  },

  detect(row) {
    const first = Array.isArray(row.conversation) ? row.conversation[0] : undefined;
    const isTurn = isJsonObject(first) && 'human' in first && 'assistant' in first;
    return isTurn ? { messages: 'conversation' } : undefined;
  },

  read(row, reading, place) {
    const { columns, tags } = reading;
    const column = columns.messages ?? 'conversation';
    const list = row[column] ?? null;
    if (!Array.isArray(list)) throw wrongType(at(place, column), 'a list of turns', describe(list));
    const messages = list.flatMap((turn: JsonValue, i): Message[] => {
      const key = `${column}[${i}]`;
      if (!isJsonObject(turn)) throw wrongType(at(place, key), 'a turn', describe(turn));
      const said = (tag: string): string => {
        const value = turn[tag] ?? null;
        if (typeof value === 'string') return value;
        throw wrongType(at(place, `${key}.${tag}`), 'a text', describe(value));
      };
      return [
        { role: 'user', content: said(tags.user_tag) },
        { role: 'assistant', content: said(tags.assistant_tag) },
      ];
    });
    return {
      messages,
      system: textOf(row, columns.system, place),
      tools: toolsOf(row, columns.tools, place),
      media: mediaOf(row, reading),
      place,
    };
  },
});
