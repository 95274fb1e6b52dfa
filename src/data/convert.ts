/**
 * @file Examples as rows of a format: alpaca, sharegpt, openai. A row is read as a run reads it, so what is written
 * is what is learned; what the target has no place for is a loss, and the caller says what becomes of it.
 */
import { type Place, TuneryError } from '../core/errors.ts';
import { type JsonObject, type JsonValue, parseJson } from '../files/json.ts';
import { cannotHold } from './doctor/errors.ts';
import { type Example, isReply, type MediaColumn, type Message, type Role } from './example.ts';
import { betweenResults } from './formats/openai.ts';
import { splitCalls } from './templates/render.ts';

export const targets = ['alpaca', 'sharegpt', 'openai'] as const;
export type Target = (typeof targets)[number];

/** `error` refuses the row, `drop` leaves it out, `keep-json` writes the turn as its JSON text, and thoughts before it. */
export const lossAnswers = ['error', 'drop', 'keep-json'] as const;
export type OnLoss = (typeof lossAnswers)[number];

type Writer = (example: Example, keepJson: boolean) => JsonObject;

/** The row of a target format. Throws `data/cannot-hold` for what it has no place for. */
export const rowOf = (example: Example, target: Target, onLoss: OnLoss): JsonObject =>
  writers[target](example, onLoss === 'keep-json');

const mediaColumns: readonly MediaColumn[] = ['images', 'videos', 'audios'];

/** What all targets write alike. */
function others({ media, desirable }: Example): JsonObject {
  const found = mediaColumns.flatMap((name) => (media[name] ? [[name, media[name]] as const] : []));
  return {
    ...Object.fromEntries(found),
    ...(desirable === undefined ? {} : { kto_tag: desirable }),
  };
}

const ranked = (
  example: Example,
  write: (message: Message, key: string) => JsonValue,
): JsonObject =>
  example.chosen && example.rejected
    ? { chosen: write(example.chosen, 'chosen'), rejected: write(example.rejected, 'rejected') }
    : {};

function demandReply({ messages, chosen, place }: Example): void {
  const last = messages.at(-1);
  if (chosen || (last && isReply(last.role))) return;
  throw cannotHold(place, 'a conversation without a reply');
}

/** Formats without a place for thoughts beside a text have them before it, as a thinking template writes them. */
function withThoughts({ content, thoughts }: Message, place: Place, keepJson: boolean): string {
  if (thoughts === undefined) return content;
  if (!keepJson) throw cannotHold(place, 'thoughts beside a reply (`reasoning_content`)');
  return `<think>\n${thoughts}\n</think>\n\n${content}`;
}

// ── sharegpt ──

const shareGptRoles: Readonly<Record<Role, string>> = {
  user: 'human',
  assistant: 'gpt',
  observation: 'observation',
  function: 'function_call',
};

const sharegpt: Writer = (example, keepJson) => {
  demandReply(example);
  const { messages, system, tools, place } = example;
  const write = (message: Message, key: string): JsonObject => {
    const { role, words } = message;
    const content = withThoughts(message, { ...place, key }, keepJson);
    const value = words === undefined ? content : words + content;
    if (words !== undefined && !keepJson && !readsBack(value, words)) {
      throw cannotHold({ ...place, key }, 'words beside a tool call');
    }
    return { from: shareGptRoles[role], value };
  };
  const first = system === '' ? [] : [{ from: 'system', value: system }];
  return {
    conversations: [...first, ...messages.map((message, i) => write(message, `messages[${i}]`))],
    ...ranked(example, write),
    ...(tools === '' ? {} : { tools }),
    ...others(example),
  };
};

/** Whether a call with words before it is read as just that: thoughts are, other words are not. */
function readsBack(value: string, words: string): boolean {
  try {
    return splitCalls(value, undefined).words === words;
  } catch (error) {
    if (error instanceof TuneryError) return false;
    throw error;
  }
}

// ── openai ──

const openai: Writer = (example) => {
  demandReply(example);
  const { messages, system, tools, place } = example;
  const write = ({ role, content, words, thoughts, results }: Message): readonly JsonObject[] => {
    if (role === 'observation') {
      return (results ?? content.split(betweenResults)).map((result) => ({
        role: 'tool',
        content: result,
      }));
    }
    const beside = thoughts === undefined ? {} : { reasoning_content: thoughts };
    if (role !== 'function') return [{ role, content, ...beside }];
    const split = splitCalls(content, place);
    const said = words ?? split.words;
    const calls = split.calls.map((call) => ({ type: 'function', function: call }));
    return [
      { role: 'assistant', content: said === '' ? null : said, ...beside, tool_calls: calls },
    ];
  };
  const first = system === '' ? [] : [{ role: 'system', content: system }];
  return {
    messages: [...first, ...messages.flatMap(write)],
    ...ranked(example, (message) => write(message)[0] ?? null),
    ...(tools === '' ? {} : { tools: parseJson(tools, place) }),
    ...others(example),
  };
};

// ── alpaca ──

const alpaca: Writer = (example, keepJson) => {
  const { messages, system, tools, place } = example;
  const text = (message: Message, key: string): string => {
    const { role, words = '' } = message;
    if (role === 'user' || role === 'assistant' || keepJson)
      return words + withThoughts(message, { ...place, key }, keepJson);
    throw cannotHold({ ...place, key }, role === 'function' ? 'a tool call' : 'a tool’s result');
  };
  const texts = messages.map((message, i) => text(message, `messages[${i}]`));
  const answered = isReply(messages.at(-1)?.role ?? 'user');
  const count = texts.length - (answered ? 2 : 1);
  const history: string[][] = [];
  for (let i = 0; i < count; i += 2) history.push(texts.slice(i, i + 2));
  return {
    instruction: texts[count] ?? '',
    input: '',
    ...(answered ? { output: texts[count + 1] ?? '' } : {}),
    ...ranked(example, text),
    ...(system === '' ? {} : { system }),
    ...(history.length === 0 ? {} : { history }),
    ...(tools === '' ? {} : { tools }),
    ...others(example),
  };
};

const writers: Readonly<Record<Target, Writer>> = { alpaca, sharegpt, openai };

// ── dataset_info.json ──

const columnsOf: Readonly<Record<Target, Readonly<Record<string, string>>>> = {
  alpaca: {
    prompt: 'instruction',
    query: 'input',
    response: 'output',
    system: 'system',
    history: 'history',
  },
  sharegpt: { messages: 'conversations' },
  openai: { messages: 'messages' },
};
const common = ['tools', ...mediaColumns, 'chosen', 'rejected', 'kto_tag'];

/** The entry that describes rows with these columns, as LLaMA-Factory reads it too. */
export function datasetEntry(
  target: Target,
  fileName: string,
  columns: ReadonlySet<string>,
): JsonObject {
  const known = { ...columnsOf[target], ...Object.fromEntries(common.map((name) => [name, name])) };
  const tags = {
    role_tag: 'role',
    content_tag: 'content',
    user_tag: 'user',
    assistant_tag: 'assistant',
    observation_tag: 'tool',
    function_tag: 'tool_calls',
    system_tag: 'system',
  };
  return {
    file_name: fileName,
    ...(target === 'alpaca' ? {} : { formatting: target }),
    ...(columns.has('chosen') ? { ranking: true } : {}),
    columns: Object.fromEntries(Object.entries(known).filter(([, column]) => columns.has(column))),
    ...(target === 'openai' ? { tags } : {}),
  };
}
