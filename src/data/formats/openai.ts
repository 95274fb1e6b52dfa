/** @file OpenAI rows: `messages` with roles, text or parts as content, tool calls and tool results. */
import type { Place } from '../../core/errors.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJson,
  toPythonJson,
} from '../../files/json.ts';
import { mediaLater, wrongType } from '../errors.ts';
import {
  at,
  describe,
  type Example,
  isReply,
  type Message,
  type Role,
  textOf,
} from '../example.ts';
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
import { defineFormat, type Tags } from './format.ts';

/** Results of several calls stand in one turn of the tool; LLaMA-Factory joins them so. */
export const betweenResults = '\n</tool_response>\n<tool_response>\n';

export const openaiTags = {
  role_tag: 'role',
  content_tag: 'content',
  user_tag: 'user',
  assistant_tag: 'assistant',
  observation_tag: 'tool',
  function_tag: 'tool_calls',
  system_tag: 'system',
} satisfies Tags;

export const openai = defineFormat({
  name: 'openai',
  title: 'Messages of `role` and `content`',
  columns: { messages: 'messages', tools: 'tools' },
  tags: openaiTags,
  example: {
    messages: [
      { role: 'system', content: 'Answer in one word.' },
      { role: 'user', content: 'The capital of Norway?' },
      { role: 'assistant', content: 'Oslo.' },
    ],
  },

  detect(row) {
    if (!Array.isArray(row.messages)) return undefined;
    return { messages: 'messages', ...(Object.hasOwn(row, 'tools') ? { tools: 'tools' } : {}) };
  },

  read(row, reading, place) {
    const { columns, tags } = reading;
    const column = columns.messages ?? 'messages';
    const rows = messagesOf(row, reading, place);

    const given = textOf(row, columns.system, place);
    const { said: turns, system } = turnsOf(rows, given, { column, tags, place });
    const { said, lost } = withoutTrailing(turns, reading.ranking);
    checkOrder(said, reading.ranking, place, tags);
    const tools = toolsOf(row, columns.tools, place);
    const named = reading.detailedThinking === false ? system : withThinkingOff(system, tools);
    return {
      messages: said.map(({ message }) => message),
      system: reading.detailedThinking === true ? named : system,
      ...(reading.detailedThinking === 'named' && named !== system ? { namedSystem: named } : {}),
      tools,
      media: mediaOf(row, reading),
      place,
      ...(lost ? { lost } : {}),
      ...(reading.ranking
        ? rankedReplies(row, reading, place, (value, key) => text(value, key, place))
        : {}),
      ...desirableOf(row, reading, place),
    };
  },
});

/** The turns of OpenAI messages, in whatever order; a first one of the system takes the place of `given`. */
export function turnsOf(
  rows: readonly JsonObject[],
  given: string,
  { column, tags, place }: { readonly column: string; readonly tags: Tags; readonly place: Place },
): { readonly said: Said[]; readonly system: string } {
  let system = given;
  const said: Said[] = [];
  for (const [i, message] of rows.entries()) {
    const key = `${column}[${i}]`;
    const spelled = spelledRole(message, tags, at(place, key));
    if (i === 0 && (spelled === tags.system_tag || spelled === 'developer')) {
      system = text(message[tags.content_tag], `${key}.${tags.content_tag}`, place);
      continue;
    }
    const where = at(place, `${key}.${tags.role_tag}`);
    add(said, spelled, roleOf(spelled, tags, where), message, key, tags, place);
  }
  return { said, system };
}

/** Results of tools that no reply follows are no part of what is learned: LLaMA-Factory loses them. */
function withoutTrailing(
  said: readonly Said[],
  ranking: boolean,
): { readonly said: readonly Said[]; readonly lost?: Example['lost'] } {
  const trails = !ranking && said.length > 1 && said.at(-1)?.role === 'observation';
  return trails ? { said: said.slice(0, -1), lost: 'trailing-tool-results' } : { said };
}

function add(
  said: Said[],
  spelled: string,
  role: Role,
  message: JsonObject,
  key: string,
  tags: Tags,
  place: Place,
): void {
  const contentKey = `${key}.${tags.content_tag}`;
  const before = said.at(-1);
  const mine = isReply(role);
  const parted = mine ? partsOf(message[tags.content_tag], contentKey, place) : undefined;
  const calls = mine ? (callsOf(message, key, place) ?? parted?.calls) : undefined;
  const reasoning = mine ? textOf(message, 'reasoning_content', at(place, key)) : '';
  const beside = reasoning === '' ? {} : { thoughts: reasoning };
  const thought = parted?.thought ?? '';
  if (calls) {
    const value = message[tags.content_tag] ?? null;
    const words = value === null ? '' : text(parted?.rest ?? value, contentKey, place);
    const content = thought + toPythonJson(calls);
    said.push({
      role: 'function',
      spelled,
      key,
      message: { role: 'function', content, ...(words === '' ? {} : { words }), ...beside },
    });
    return;
  }
  if (mine) {
    const content = thought + text(parted?.rest ?? message[tags.content_tag], contentKey, place);
    said.push({ role, spelled, key, message: { role, content, ...beside } });
    return;
  }
  const content = text(message[tags.content_tag], contentKey, place);
  if (role === 'observation' && before?.role === 'observation') {
    const results = [...(before.message.results ?? [before.message.content]), content];
    const joined: Message = { role, content: results.join(betweenResults), results };
    said[said.length - 1] = { ...before, message: joined };
    return;
  }
  said.push({ role, spelled, key, message: { role, content } });
}

type Parts = {
  /** As a thinking template has thoughts in a reply's text. */
  readonly thought: string;
  readonly calls: readonly JsonValue[] | undefined;
  readonly rest: JsonValue;
};

/** A reply in parts: thoughts (`reasoning`) and calls (`tool_call`) apart from what it says. Undefined where it has neither. */
function partsOf(value: JsonValue | undefined, key: string, place: Place): Parts | undefined {
  if (!Array.isArray(value)) return undefined;
  let thought = '';
  const calls: JsonValue[] = [];
  const rest = value.filter((part: JsonValue, i) => {
    const type = isJsonObject(part) ? part.type : undefined;
    if (!isJsonObject(part) || (type !== 'reasoning' && type !== 'tool_call')) return true;
    const where = at(place, `${key}[${i}]`);
    const said = part.value ?? part.text ?? null;
    if (type === 'reasoning') {
      if (typeof said !== 'string') throw wrongType(where, 'a part with `value`', describe(said));
      thought += `<think>\n${said}\n</think>\n\n`;
      return false;
    }
    const call = typeof said === 'string' ? parseJson(said, where) : said;
    const list: readonly JsonValue[] = Array.isArray(call) ? call : [call];
    for (const each of list) {
      if (!isJsonObject(each)) throw wrongType(where, 'a call', describe(each));
      calls.push(each);
    }
    return false;
  });
  if (rest.length === value.length) return undefined;
  return { thought, calls: calls.length === 0 ? undefined : calls, rest };
}

/** The `function` objects of a message's `tool_calls`, as they stand. */
function callsOf(message: JsonObject, key: string, place: Place): JsonValue[] | undefined {
  const calls = message.tool_calls ?? null;
  if (calls === null) return undefined;
  if (!Array.isArray(calls))
    throw wrongType(at(place, `${key}.tool_calls`), 'a list', describe(calls));
  if (calls.length === 0) return undefined;
  return calls.map((call: JsonValue, i) => {
    const inner = isJsonObject(call) ? call.function : undefined;
    if (inner !== undefined && isJsonObject(inner)) return inner;
    throw wrongType(
      at(place, `${key}.tool_calls[${i}]`),
      'an object with `function`',
      describe(call),
    );
  });
}

/** Content is a text, or a list of parts of which only texts can be learned from yet. */
function text(value: JsonValue | undefined, key: string, place: Place): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) throw wrongType(at(place, key), 'a text', describe(value));
  return value
    .map((part: JsonValue, i) => {
      const where = at(place, `${key}[${i}]`);
      if (typeof part === 'string') return part;
      if (!isJsonObject(part)) throw wrongType(where, 'a part', describe(part));
      if (typeof part.type === 'string' && part.type !== 'text') throw mediaLater(where, part.type);
      const words = part.text ?? part.value;
      if (typeof words !== 'string') throw wrongType(where, 'a part with `text`', describe(words));
      return words;
    })
    .join('');
}

function withThinkingOff(system: string, tools: string): string {
  if (system === '') return tools === '' ? 'detailed thinking off' : '';
  if (tools !== '') return `${system}\n`;
  return /detailed thinking (on|off)/.test(system) ? system : `${system}\ndetailed thinking off`;
}
