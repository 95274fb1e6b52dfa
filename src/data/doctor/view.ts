/**
 * @file A row as the doctor sees it: its texts with their parts, its turns, calls and tools, read without
 * stopping at the first fault. What cannot be read is a gap, for a check to name.
 */
import type { Place } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../files/json.ts';
import { describe, type Role } from '../example.ts';
import { taggedRole } from '../formats/conversation.ts';
import type { Reading } from '../formats/format.ts';
import type { Path } from './locate.ts';
import {
  type Call,
  callsOfMessage,
  callsOfText,
  type Declared,
  declaredTools,
} from './tool-calls.ts';

/**
 * `text` is plain text to continue (`stage: pt`); `call` and `result` are an assistant's tool call and its result;
 * `thought` is what an OpenAI message thinks beside its reply.
 */
export type Part = 'system' | 'prompt' | 'reply' | 'call' | 'result' | 'thought' | 'text';

export type Passage = { readonly path: Path; readonly part: Part; readonly text: string };

export type Turn = {
  readonly path: Path;
  readonly rolePath: Path;
  /** Undefined where the role is not known or not there. */
  readonly role: Role | 'system' | undefined;
  readonly spelled: string | undefined;
  readonly text: string | undefined;
};

/** What a row does not have, or has in another shape. */
export type Gap =
  | { readonly kind: 'column' | 'field'; readonly path: Path; readonly name: string }
  | {
      readonly kind: 'type';
      readonly path: Path;
      readonly expected: string;
      readonly found: string;
    }
  | { readonly kind: 'history'; readonly path: Path; readonly found: string };

export type RowView = {
  readonly value: JsonObject;
  /** Of the row's first line. */
  readonly place: Place;
  readonly format: string;
  readonly reading: Reading;
  readonly passages: readonly Passage[];
  readonly turns: readonly Turn[];
  readonly gaps: readonly Gap[];
  readonly calls: readonly Call[];
  readonly tools: Declared;
  /** The last reply; undefined where the row has no such column. */
  readonly reply: Passage | undefined;
  readonly chosen: Passage | undefined;
  readonly rejected: Passage | undefined;
};

type Draft = {
  readonly passages: Passage[];
  readonly turns: Turn[];
  readonly gaps: Gap[];
  readonly calls: Call[];
};

export function viewOf(value: JsonObject, place: Place, format: string, reading: Reading): RowView {
  const draft: Draft = { passages: [], turns: [], gaps: [], calls: [] };
  const { columns } = reading;
  const conversation = format === 'sharegpt' || format === 'openai';
  take(draft, value, columns.system, 'system');
  if (conversation) readTurns(draft, value, reading, format);
  else readColumns(draft, value, format, reading);
  const ranked = reading.ranking
    ? ([
        readRanked(draft, value, reading, 'chosen'),
        readRanked(draft, value, reading, 'rejected'),
      ] as const)
    : ([undefined, undefined] as const);
  const reply = draft.passages.findLast(({ part }) => part === 'reply' || part === 'call');
  return {
    value,
    place,
    format,
    reading,
    ...draft,
    tools: declaredTools(value, columns.tools),
    reply,
    chosen: ranked[0],
    rejected: ranked[1],
  };
}

/** All texts before the last reply. */
export function askedOf({ passages, reply, reading: { columns, ranking } }: RowView): string {
  const ranked = [columns.chosen ?? 'chosen', columns.rejected ?? 'rejected'];
  return passages
    .filter(
      (passage) =>
        passage !== reply &&
        passage.part !== 'thought' &&
        !(ranking && ranked.includes(String(passage.path[0]))),
    )
    .map(({ text }) => text)
    .join('\n');
}

/** A column of text; null and absent are none. */
function take(
  draft: Draft,
  row: JsonObject,
  column: string | null,
  part: Part,
): Passage | undefined {
  if (column === null || !Object.hasOwn(row, column) || row[column] === null) return undefined;
  const text = row[column];
  if (typeof text === 'string') return push(draft, { path: [column], part, text });
  typeGap(draft, [column], 'a text', text);
  return undefined;
}

function push(draft: Draft, passage: Passage): Passage {
  draft.passages.push(passage);
  return passage;
}

function typeGap(draft: Draft, path: Path, expected: string, value: JsonValue | undefined): void {
  draft.gaps.push({ kind: 'type', path, expected, found: describe(value) });
}

function readColumns(draft: Draft, row: JsonObject, format: string, reading: Reading): void {
  const { columns, ranking } = reading;
  if (format === 'text') {
    const column = columns.prompt ?? 'text';
    if (!take(draft, row, column, 'text')) demand(draft, row, column);
    return;
  }
  readHistory(draft, row, columns.history);
  take(draft, row, columns.prompt, 'prompt');
  take(draft, row, columns.query, 'prompt');
  const asked = [columns.prompt, columns.query].filter((column) => column !== null);
  if (asked.length > 0 && !asked.some((column) => Object.hasOwn(row, column))) {
    draft.gaps.push({ kind: 'column', path: [], name: asked[0] ?? '' });
  }
  if (ranking || columns.response === null) return;
  if (!take(draft, row, columns.response, 'reply')) demand(draft, row, columns.response);
}

/** A column that must be there, and hold something. */
function demand(draft: Draft, row: JsonObject, column: string): void {
  if (!Object.hasOwn(row, column)) draft.gaps.push({ kind: 'column', path: [], name: column });
  else if (row[column] === null) typeGap(draft, [column], 'a text', null);
}

function readHistory(draft: Draft, row: JsonObject, column: string | null): void {
  const value = column === null ? null : (row[column] ?? null);
  if (column === null || value === null) return;
  if (!Array.isArray(value)) {
    draft.gaps.push({ kind: 'history', path: [column], found: describe(value) });
    return;
  }
  for (const [i, pair] of value.entries()) {
    const texts: readonly JsonValue[] = Array.isArray(pair) ? pair : [];
    if (texts.length !== 2) {
      const found = Array.isArray(pair) ? `a list of ${texts.length}` : describe(pair);
      draft.gaps.push({ kind: 'history', path: [column, i], found });
      continue;
    }
    for (const [j, text] of texts.entries()) {
      const path = [column, i, j];
      if (typeof text === 'string') push(draft, { path, part: j === 0 ? 'prompt' : 'reply', text });
      else typeGap(draft, path, 'a text', text);
    }
  }
}

function readTurns(draft: Draft, row: JsonObject, reading: Reading, format: string): void {
  const column = reading.columns.messages ?? (format === 'openai' ? 'messages' : 'conversations');
  if (!Object.hasOwn(row, column)) {
    draft.gaps.push({ kind: 'column', path: [], name: column });
    return;
  }
  const list = row[column] ?? null;
  if (!Array.isArray(list)) {
    typeGap(draft, [column], 'a list of messages', list);
    return;
  }
  for (const [i, message] of list.entries())
    readMessage(draft, message, [column, i], reading, format);
}

function readMessage(
  draft: Draft,
  message: JsonValue,
  path: Path,
  { tags }: Reading,
  format: string,
): void {
  if (!isJsonObject(message)) {
    typeGap(draft, path, 'a message', message);
    return;
  }
  const rolePath = [...path, tags.role_tag];
  const spelled = message[tags.role_tag];
  if (spelled === undefined) draft.gaps.push({ kind: 'field', path, name: tags.role_tag });
  else if (typeof spelled !== 'string') typeGap(draft, rolePath, 'a role', spelled);
  const role = typeof spelled === 'string' ? roleOf(spelled, tags, format) : undefined;

  const calls = format === 'openai' ? callsOfMessage(message, path) : [];
  draft.calls.push(...calls);
  const parts = isReplyRole(role)
    ? callParts(message[tags.content_tag], [...path, tags.content_tag])
    : [];
  draft.calls.push(...parts);
  if (format === 'openai' && isReplyRole(role)) {
    const thought = message.reasoning_content;
    if (typeof thought === 'string')
      push(draft, { path: [...path, 'reasoning_content'], part: 'thought', text: thought });
  }
  const isCall = role === 'function' || calls.length > 0;
  const text = contentOf(draft, message, path, tags.content_tag, isCall ? 'call' : partOf(role), {
    optional: calls.length > 0,
  });
  if (role === 'function' && text !== undefined && format !== 'openai') {
    draft.calls.push(...callsOfText(text, [...path, tags.content_tag]));
  }
  const hasCalls = calls.length > 0 || parts.length > 0;
  draft.turns.push({
    path,
    rolePath,
    role: hasCalls && role === 'assistant' ? 'function' : role,
    spelled: typeof spelled === 'string' ? spelled : undefined,
    // Calls say enough: words beside them are rare.
    text: hasCalls && (text ?? '').trim() === '' ? 'calls' : text,
  });
}

const isReplyRole = (role: Turn['role']): boolean => role === 'assistant' || role === 'function';

/** Calls that stand as parts of a message's content. */
function callParts(content: JsonValue | undefined, path: Path): readonly Call[] {
  if (!Array.isArray(content)) return [];
  return content.flatMap((part: JsonValue, i): readonly Call[] => {
    if (
      !isJsonObject(part) ||
      typeof part.type !== 'string' ||
      !/^(?:tool|function)_call/.test(part.type)
    )
      return [];
    return typeof part.value === 'string' ? callsOfText(part.value, [...path, i, 'value']) : [];
  });
}

const partOf = (role: Turn['role']): Part =>
  role === 'system'
    ? 'system'
    : role === 'assistant'
      ? 'reply'
      : role === 'observation'
        ? 'result'
        : 'prompt';

const roleOf = (spelled: string, tags: Reading['tags'], format: string): Turn['role'] =>
  taggedRole(spelled, tags) ??
  (format === 'openai' && spelled === 'developer' ? 'system' : undefined);

/** A message's text: itself, or the texts of its parts joined. */
function contentOf(
  draft: Draft,
  message: JsonObject,
  path: Path,
  name: string,
  part: Part,
  { optional }: { readonly optional: boolean },
): string | undefined {
  const at = [...path, name];
  const content = message[name];
  if (typeof content === 'string') return push(draft, { path: at, part, text: content }).text;
  if (optional && (content === undefined || content === null)) return undefined;
  if (content === undefined) {
    draft.gaps.push({ kind: 'field', path, name });
    return undefined;
  }
  if (!Array.isArray(content)) {
    typeGap(draft, at, 'a text', content);
    return undefined;
  }
  const texts: string[] = [];
  for (const [i, piece] of content.entries()) {
    if (typeof piece === 'string') {
      texts.push(push(draft, { path: [...at, i], part, text: piece }).text);
      continue;
    }
    const key = isJsonObject(piece)
      ? ['text', 'value'].find((word) => typeof piece[word] === 'string')
      : undefined;
    const text = isJsonObject(piece) && key !== undefined ? piece[key] : undefined;
    // Parts of other types hold what is no text: images, calls.
    if (typeof text === 'string' && key !== undefined && isJsonObject(piece)) {
      const type = piece.type;
      const kind =
        type === 'text' || type === undefined ? part : type === 'reasoning' ? 'thought' : 'call';
      texts.push(push(draft, { path: [...at, i, key], part: kind, text }).text);
    } else if (!isJsonObject(piece)) typeGap(draft, [...at, i], 'a part with `text`', piece);
  }
  return texts.join('');
}

/** A ranked reply: a text, or a message. */
function readRanked(
  draft: Draft,
  row: JsonObject,
  { columns, tags }: Reading,
  name: 'chosen' | 'rejected',
): Passage | undefined {
  const column = columns[name] ?? name;
  const value = row[column];
  if (value === undefined) {
    draft.gaps.push({ kind: 'column', path: [], name: column });
    return undefined;
  }
  if (typeof value === 'string') return push(draft, { path: [column], part: 'reply', text: value });
  const text = isJsonObject(value) ? value[tags.content_tag] : undefined;
  if (typeof text === 'string') {
    return push(draft, { path: [column, tags.content_tag], part: 'reply', text });
  }
  if (isJsonObject(value) && text === undefined) {
    draft.gaps.push({ kind: 'field', path: [column], name: tags.content_tag });
  } else
    typeGap(
      draft,
      isJsonObject(value) ? [column, tags.content_tag] : [column],
      'a reply',
      text ?? value,
    );
  return undefined;
}

const names = new WeakMap<Reading, readonly string[]>();

/** The columns that a data set's rows are known to have, by their own names. */
export function namesOf(reading: Reading): readonly string[] {
  const known = names.get(reading);
  if (known) return known;
  const found = Object.values(reading.columns).filter((name) => name !== null);
  names.set(reading, found);
  return found;
}
