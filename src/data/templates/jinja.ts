/**
 * @file The model's own Jinja chat template. Its text is tokenized whole, as Hugging Face does, and what
 * of it is learned follows from the template itself: each reply from after the generation prompt up to and
 * with its stop token, or what stands in `{% generation %}`.
 */
import type { Place } from '../../core/errors.ts';
import { isJsonObject, type JsonValue } from '../../files/json.ts';
import type { EncodingWithOffsets, Tokenizer } from '../../tokenizer/tokenizer.ts';
import { type ChatTemplate, fixedDate } from '../chat-template.ts';
import { badTemplate, noExactMask, templateRaised } from '../errors.ts';
import type { Turn } from '../labels.ts';
import { parseTools, tryJson, wrapped } from '../tool-formats/tool-format.ts';
import { compile, JinjaError, render, type Variables } from './jinja-runtime.ts';
import { type Marked, markTemplate, type Span, turnKey } from './jinja-turns.ts';
import { type Conversation, splitCalls } from './render.ts';

export type TextTokenizer = Pick<
  Tokenizer,
  'encode' | 'encodeWithOffsets' | 'idOf' | 'bos' | 'eos' | 'pad' | 'addedTokens'
>;

export type JinjaOptions = {
  /** For conversations without a system text; unset leaves it to the template. */
  readonly defaultSystem?: string | undefined;
  /** Given to the template as `enable_thinking` where it is not null. */
  readonly enableThinking?: boolean | null;
  /** Further stop ids of the model's generation config. */
  readonly stopIds?: readonly number[];
  readonly today?: Date;
};

/** A message as templates know it. */
type JinjaMessage = { readonly role: string; readonly [key: string]: unknown };
type Input = { readonly messages: readonly JinjaMessage[]; readonly tools: readonly JsonValue[] };

const probeUser = { role: 'user', content: 'question' };
const probeReply = 'reply';

export function jinjaTemplate(
  source: string,
  tokenizer: TextTokenizer,
  options: JinjaOptions = {},
): ChatTemplate {
  const writer = createWriter(source, tokenizer, options);
  const specials = tokenizer.addedTokens
    .flatMap(({ special, content }) => (special ? [content] : []))
    .sort((a, b) => b.length - a.length);
  const { openings, stopToken } = probeReplies(writer, specials);

  const inputOf = ({ messages, system, tools, place }: Conversation): Input => ({
    messages: toJinjaMessages(messages, system || (options.defaultSystem ?? ''), place),
    tools: tools === '' ? [] : parseTools(tools, place).map(wrapped),
  });

  /** What is learned of a conversation's text. */
  function learnedSpans(input: Input, text: string, place: Place | undefined): readonly Span[] {
    const seen = writer.marks(input, text);
    if (writer.hasGeneration) {
      if (!seen) throw noExactMask(place, 'it changes its text where {% generation %} stands');
      if (seen.generated.length > 0) return seen.generated;
      throw noExactMask(place, 'its {% generation %} holds nothing of this conversation');
    }
    if (stopToken === undefined) throw noExactMask(place, 'it writes no stop token after a reply');
    const replies = input.messages.flatMap(({ role }, i) => (role === 'assistant' ? [i] : []));
    return replies.map((index) => {
      const turn = turnSpan(seen, index);
      // With marks a turn is known, and so is what ends it; without, that must be the token of the probe.
      if (turn) return replySpan(text, turn, openings, specials, place);
      return replySpan(
        text,
        prefixSpan(writer, text, input, index, place),
        openings,
        [stopToken],
        place,
      );
    });
  }

  const promptText = (conversation: Conversation): string => {
    const text = writer.write(
      inputOf(conversation),
      { add_generation_prompt: true },
      conversation.place,
    );
    return openings.some((opening) => text.endsWith(opening)) ? text : text + (openings[0] ?? '');
  };

  const stopId = stopToken === undefined ? undefined : tokenizer.idOf(stopToken);
  const stops = [stopId, tokenizer.eos?.id, ...(options.stopIds ?? [])];
  return {
    name: 'model',
    identity: JSON.stringify([source, writer.given, writer.today, options.defaultSystem, specials]),
    stopIds: [...new Set(stops.filter((id) => id !== undefined))],
    efficientEos: undefined,
    encode(conversation) {
      const input = inputOf(conversation);
      const text = writer.write(input, {}, conversation.place);
      const spans = learnedSpans(input, text, conversation.place);
      return cutTurns(tokenizer.encodeWithOffsets(text), spans);
    },
    prompt: (conversation) => tokenizer.encode(promptText(conversation)),
    promptText,
  };
}

type Writer = {
  readonly hasGeneration: boolean;
  /** The variables that every conversation gets. */
  readonly given: Variables;
  readonly today: Date;
  write(input: Input, more: Variables, place?: Place): string;
  /** Where turns and `{% generation %}` lie in the text; undefined where marks would change it. */
  marks(input: Input, text: string): Marked | undefined;
};

function createWriter(source: string, tokenizer: TextTokenizer, options: JinjaOptions): Writer {
  const today = options.today ?? fixedDate;
  const { plain, marked } = compileBoth(source);
  const tokens: Readonly<Record<string, unknown>> = {
    bos_token: tokenizer.bos?.token,
    eos_token: tokenizer.eos?.token,
    pad_token: tokenizer.pad?.token,
    enable_thinking: options.enableThinking ?? undefined,
  };
  const given = Object.fromEntries(
    Object.entries(tokens).filter(([, value]) => value !== undefined),
  );
  const variablesOf = ({ messages, tools }: Input, more: Variables): Variables => ({
    ...given,
    messages,
    tools: tools.length === 0 ? null : tools,
    add_generation_prompt: false,
    ...more,
  });
  return {
    hasGeneration: marked.hasGeneration,
    given,
    today,
    write(input, more, place) {
      try {
        return render(plain, variablesOf(input, more), today);
      } catch (error) {
        if (error instanceof JinjaError) throw templateRaised(place, error.message);
        throw error;
      }
    },
    marks({ messages, tools }, text) {
      const numbered = messages.map((message, i) => ({ ...message, [turnKey]: String(i) }));
      const variables = variablesOf({ messages: numbered, tools }, {});
      try {
        const seen = marked.read(render(marked.program, variables, today));
        return seen.text === text ? seen : undefined;
      } catch (error) {
        if (error instanceof JinjaError) return undefined;
        throw error;
      }
    },
  };
}

function compileBoth(source: string) {
  try {
    return { plain: compile(source), marked: markTemplate(source) };
  } catch (error) {
    if (error instanceof JinjaError) throw badTemplate(error.message);
    throw error;
  }
}

type Replies = {
  /** What is written before a reply is generated; the longest that a turn begins with is its own. */
  readonly openings: readonly string[];
  readonly stopToken: string | undefined;
};

/**
 * From a conversation of two words. A template that takes no heed of `add_generation_prompt` may still
 * write a header before a reply: then that is the prompt.
 */
function probeReplies(writer: Writer, specials: readonly string[]): Replies {
  const asked = writer.write({ messages: [probeUser], tools: [] }, {});
  const promptWith = (more: Variables): string => {
    const variables = { ...more, add_generation_prompt: true };
    const prompted = writer.write({ messages: [probeUser], tools: [] }, variables);
    return prompted.startsWith(asked) ? prompted.slice(asked.length) : '';
  };
  const both = { messages: [probeUser, { role: 'assistant', content: probeReply }], tools: [] };
  const answered = writer.write(both, {});
  const span = turnSpan(writer.marks(both, answered), 1);
  const from = span?.start ?? (answered.startsWith(asked) ? asked.length : answered.length);
  const turn = answered.slice(from, span?.end);
  const at = turn.indexOf(probeReply);
  const header = at < 0 ? '' : turn.slice(0, at);
  const ending = at < 0 ? '' : turn.slice(at + probeReply.length).trim();
  // A reasoning template may put an empty thought into its prompt, which earlier turns then lack.
  const prompts = [promptWith({}), promptWith({ enable_thinking: undefined })];
  const openings = prompts.filter((text) => text !== '');
  if (openings.length === 0) openings.push(header.trim() === '' ? '' : header);
  return {
    openings: [...new Set(openings)].sort((a, b) => b.length - a.length),
    stopToken: specials.find((token) => token === ending),
  };
}

/** A turn's text where exactly one loop wrote it. */
function turnSpan(seen: Marked | undefined, index: number): Span | undefined {
  const spans = seen?.turns.get(index) ?? [];
  return spans.length === 1 ? spans[0] : undefined;
}

/** The turn by what is written with and without it, for templates that cannot be marked. */
function prefixSpan(
  writer: Writer,
  text: string,
  { messages, tools }: Input,
  index: number,
  place: Place | undefined,
): Span {
  const before = writer.write({ messages: messages.slice(0, index), tools }, {}, place);
  const after = writer.write({ messages: messages.slice(0, index + 1), tools }, {}, place);
  if (text.startsWith(after) && after.startsWith(before) && after.length > before.length) {
    return { start: before.length, end: after.length };
  }
  throw noExactMask(place, 'it writes earlier turns in another way once later ones follow');
}

/** From after the generation prompt up to and with the stop token. */
function replySpan(
  text: string,
  turn: Span,
  openings: readonly string[],
  stops: readonly string[],
  place: Place | undefined,
): Span {
  const written = text.slice(turn.start, turn.end);
  const opening = openings.find((prompt) => written.startsWith(prompt));
  if (opening === undefined) {
    const expected = JSON.stringify(openings[0]);
    throw noExactMask(place, `a reply does not begin with the generation prompt ${expected}`);
  }
  const kept = written.trimEnd();
  if (!stops.some((token) => kept.endsWith(token))) {
    throw noExactMask(place, 'it writes no stop token after a reply');
  }
  return { start: turn.start + opening.length, end: turn.start + kept.length };
}

/** Prompts and replies as ids. A token that reaches into a reply is of the reply, as in Hugging Face's mask. */
function cutTurns(
  { ids, starts, ends }: EncodingWithOffsets,
  spans: readonly Span[],
): readonly Turn[] {
  const turns: Turn[] = [];
  let from = 0;
  let at = 0;
  for (const { start, end } of spans) {
    while (at < ids.length && ends[at] <= start) at++;
    const first = at;
    while (at < ids.length && starts[at] < end) at++;
    turns.push({
      source: ids.subarray(from, first),
      target: ids.subarray(first, at),
      learned: at - first,
    });
    from = at;
  }
  // What follows the last stop token belongs to its turn, but is not learned.
  const last = turns.pop();
  if (last) turns.push({ ...last, target: ids.subarray(from - last.target.length) });
  return turns;
}

function toJinjaMessages(
  messages: Conversation['messages'],
  system: string,
  place: Place | undefined,
): readonly JinjaMessage[] {
  const first: JinjaMessage[] = system === '' ? [] : [{ role: 'system', content: system }];
  const rest = messages.flatMap((message): JinjaMessage[] => {
    const { role, content } = message;
    if (role === 'observation') {
      return (message.results ?? [content]).map((result) => ({ role: 'tool', content: result }));
    }
    if (role !== 'function') return [{ role, content }];
    const { words, calls } = splitCalls(content, place);
    const toolCalls = calls.map(({ name, arguments: given }) => ({
      type: 'function',
      function: { name, arguments: argumentsOf(given) },
    }));
    return [{ role: 'assistant', content: (message.words ?? '') + words, tool_calls: toolCalls }];
  });
  return [...first, ...rest];
}

/** OpenAI writes arguments as JSON text; templates want the object. */
function argumentsOf(given: JsonValue): JsonValue {
  if (typeof given !== 'string') return given;
  const value = tryJson(given);
  return value !== undefined && isJsonObject(value) ? value : given;
}
