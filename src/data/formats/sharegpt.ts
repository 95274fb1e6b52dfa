/** @file ShareGPT rows: a list of messages, each with `from` and `value` (or as `tags` names them). */
import type { Place } from '../../core/errors.ts';
import type { JsonValue } from '../../files/json.ts';
import { wrongType } from '../errors.ts';
import { at, describe, textOf } from '../example.ts';
import {
  checkOrder,
  desirableOf,
  mediaOf,
  messagesOf,
  rankedReplies,
  roleOf,
  type Said,
  spelledRole,
  toolsOf,
} from './conversation.ts';
import { defineFormat } from './format.ts';

export const sharegpt = defineFormat({
  name: 'sharegpt',
  title: 'Conversations of `from` and `value`',
  columns: { messages: 'conversations' },
  example: {
    conversations: [
      { from: 'human', value: 'Hello!' },
      { from: 'gpt', value: 'Hello, how can I help?' },
    ],
  },

  detect(row) {
    if (!Array.isArray(row.conversations)) return undefined;
    const has = (name: string): boolean => Object.hasOwn(row, name);
    return {
      messages: 'conversations',
      ...(has('system') ? { system: 'system' } : {}),
      ...(has('tools') ? { tools: 'tools' } : {}),
    };
  },

  read(row, reading, place) {
    const { columns, tags } = reading;
    const column = columns.messages ?? 'conversations';
    const rows = messagesOf(row, reading, place);
    const content = (value: JsonValue | undefined, key: string): string =>
      text(value, at(place, key));

    let system = textOf(row, columns.system, place);
    const said: Said[] = [];
    for (const [i, message] of rows.entries()) {
      const key = `${column}[${i}]`;
      const spelled = spelledRole(message, tags, at(place, key));
      const value = content(message[tags.content_tag], `${key}.${tags.content_tag}`);
      if (i === 0 && spelled === tags.system_tag) {
        system = value;
        continue;
      }
      const role = roleOf(spelled, tags, at(place, `${key}.${tags.role_tag}`));
      said.push({ role, spelled, key, message: { role, content: value } });
    }
    checkOrder(said, reading.ranking, place, tags);
    return {
      messages: said.map(({ message }) => message),
      system,
      tools: toolsOf(row, columns.tools, place),
      media: mediaOf(row, reading),
      place,
      ...(reading.ranking ? rankedReplies(row, reading, place, content) : {}),
      ...desirableOf(row, reading, place),
    };
  },
});

function text(value: JsonValue | undefined, place: Place): string {
  if (typeof value === 'string') return value;
  throw wrongType(place, 'a text', describe(value));
}
