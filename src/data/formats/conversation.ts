/** @file What sharegpt and openai rows share: messages with roles that must take turns. */
import type { Place } from '../../core/errors.ts';
import { didYouMean } from '../../core/suggest.ts';
import { isJsonObject, type JsonObject, type JsonValue, toPythonJson } from '../../files/json.ts';
import { missingColumn, roleOrder, unfinished, unknownRole, wrongType } from '../errors.ts';
import {
  at,
  describe,
  type Example,
  isReply,
  type MediaColumn,
  type Message,
  type Role,
} from '../example.ts';
import type { Reading, Tags } from './format.ts';

export type Said = {
  readonly role: Role;
  /** The role as the row spells it. */
  readonly spelled: string;
  readonly key: string;
  readonly message: Message;
};

export function messagesOf(row: JsonObject, reading: Reading, place: Place): readonly JsonObject[] {
  const column = reading.columns.messages ?? 'conversations';
  if (!Object.hasOwn(row, column) || row[column] === null) {
    throw missingColumn(place, column, Object.keys(row), didYouMean(column, Object.keys(row)));
  }
  const value = row[column];
  if (!Array.isArray(value))
    throw wrongType(at(place, column), 'a list of messages', describe(value));
  return value.map((message: JsonValue, i): JsonObject => {
    if (isJsonObject(message)) return message;
    throw wrongType(at(place, `${column}[${i}]`), 'a message', describe(message));
  });
}

export function spelledRole(message: JsonObject, tags: Tags, place: Place): string {
  const value = message[tags.role_tag];
  if (typeof value === 'string') return value;
  if (value === undefined) {
    const keys = Object.keys(message);
    throw missingColumn(place, tags.role_tag, keys, didYouMean(tags.role_tag, keys));
  }
  throw wrongType(at(place, `${place.key}.${tags.role_tag}`), 'a role', describe(value));
}

/** The role that a row's tags give a word; undefined where it is none of them. */
export function taggedRole(spelled: string, tags: Tags): Role | 'system' | undefined {
  switch (spelled) {
    case tags.user_tag:
      return 'user';
    case tags.assistant_tag:
      return 'assistant';
    case tags.observation_tag:
      return 'observation';
    case tags.function_tag:
      return 'function';
    case tags.system_tag:
      return 'system';
    default:
      return undefined;
  }
}

export function roleOf(spelled: string, tags: Tags, place: Place): Role {
  const role = taggedRole(spelled, tags);
  if (role === 'system') throw roleOrder(place, 'the first message', spelled);
  if (role !== undefined) return role;
  const named = [
    tags.user_tag,
    tags.assistant_tag,
    tags.observation_tag,
    tags.function_tag,
    tags.system_tag,
  ];
  const known = named.filter((tag) => tag !== null);
  throw unknownRole(place, spelled, known, didYouMean(spelled, known));
}

/** Prompts at even places, replies at odd ones; the end is a reply, or for rankings a prompt. */
export function checkOrder(
  said: readonly Said[],
  ranking: boolean,
  place: Place,
  tags: Tags,
): void {
  for (const [i, { role, spelled, key }] of said.entries()) {
    if (isReply(role) === (i % 2 === 1)) continue;
    throw roleOrder(at(place, `${key}.${tags.role_tag}`), said[i - 1]?.spelled, spelled);
  }
  const last = said.at(-1);
  if (last && isReply(last.role) === ranking) {
    const where = at(place, `${last.key}.${tags.role_tag}`);
    throw ranking
      ? roleOrder(where, said.at(-2)?.spelled, last.spelled)
      : unfinished(where, last.spelled);
  }
}

/** Tools as JSON text, whether the row holds the text or the list itself. */
export function toolsOf(row: JsonObject, column: string | null, place: Place): string {
  const value = column === null ? null : (row[column] ?? null);
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (Array.isArray(value) || isJsonObject(value)) return toPythonJson(value);
  throw wrongType(at(place, column!), 'a list of tools, or its JSON text', describe(value));
}

/** Media of a row; an empty list counts as none. */
export function mediaOf(row: JsonObject, reading: Reading): Example['media'] {
  const found: { [Column in MediaColumn]?: readonly JsonValue[] } = {};
  for (const name of ['images', 'videos', 'audios'] as const) {
    const column = reading.columns[name];
    const value = column === null ? null : (row[column] ?? null);
    if (value === null) continue;
    const items: readonly JsonValue[] = Array.isArray(value) ? value : [value];
    if (items.length > 0) found[name] = items;
  }
  return found;
}

/** The two replies of a ranking row that holds them as message objects. */
export function rankedReplies(
  row: JsonObject,
  reading: Reading,
  place: Place,
  text: (value: JsonValue | undefined, key: string) => string,
): Pick<Example, 'chosen' | 'rejected'> {
  const reply = (name: 'chosen' | 'rejected'): Message => {
    const column = reading.columns[name] ?? name;
    const value = row[column];
    if (!isJsonObject(value ?? null)) {
      if (value === undefined) {
        throw missingColumn(place, column, Object.keys(row), didYouMean(column, Object.keys(row)));
      }
      throw wrongType(at(place, column), 'a message', describe(value));
    }
    const message = value as JsonObject;
    const where = at(place, column);
    const spelled = spelledRole(message, reading.tags, where);
    const role = roleOf(spelled, reading.tags, at(place, `${column}.${reading.tags.role_tag}`));
    if (!isReply(role)) {
      throw roleOrder(
        at(place, `${column}.${reading.tags.role_tag}`),
        reading.tags.user_tag,
        spelled,
      );
    }
    const content = text(
      message[reading.tags.content_tag],
      `${column}.${reading.tags.content_tag}`,
    );
    return { role, content };
  };
  return { chosen: reply('chosen'), rejected: reply('rejected') };
}

export function desirableOf(
  row: JsonObject,
  reading: Reading,
  place: Place,
): Pick<Example, 'desirable'> {
  const column = reading.columns.kto_tag;
  const value = column === null ? undefined : row[column];
  if (column === null || value === undefined || value === null) return {};
  if (typeof value !== 'boolean')
    throw wrongType(at(place, column), 'true or false', describe(value));
  return { desirable: value };
}
