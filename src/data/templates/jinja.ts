/**
 * @file The model's own Jinja chat template. Its text is tokenized whole, as Hugging Face does, and what
 * of it is learned follows from the template itself: each reply from after the generation prompt up to and
 * with its stop token, or what stands in `{% generation %}`.
 */
import type { Place } from '../../core/errors.ts';
import { isJsonObject, type JsonValue } from '../../files/json.ts';
import type { EncodingWithOffsets, Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { ChatTemplate } from '../chat-template.ts';
import { noExactMask } from '../errors.ts';
import type { Turn } from '../labels.ts';
import { parseTools, tryJson, wrapped } from '../tool-formats/tool-format.ts';
import { omitsOf } from './jinja-omits.ts';
import { repliesOf } from './jinja-replies.ts';
import type { Span } from './jinja-turns.ts';
import {
  createWriter,
  type JinjaInput,
  type JinjaMessage,
  type WriterOptions,
} from './jinja-writer.ts';
import { type Conversation, splitCalls } from './render.ts';

export type TextTokenizer = Pick<
  Tokenizer,
  'encode' | 'encodeWithOffsets' | 'idOf' | 'bos' | 'eos' | 'pad' | 'addedTokens'
>;

export type JinjaOptions = WriterOptions & {
  /** For conversations without a system text; unset leaves it to the template. */
  readonly defaultSystem?: string | undefined;
  /** Further stop ids of the model's generation config. */
  readonly stopIds?: readonly number[];
};

/** Control tokens of a vocabulary, the longest first. */
export const controlTokens = (tokenizer: Pick<Tokenizer, 'addedTokens'>): readonly string[] =>
  tokenizer.addedTokens
    .flatMap(({ special, content }) => (special ? [content] : []))
    .sort((a, b) => b.length - a.length);

export function jinjaTemplate(
  source: string,
  tokenizer: TextTokenizer,
  options: JinjaOptions = {},
): ChatTemplate {
  const writer = createWriter(source, tokenizer, options);
  const specials = controlTokens(tokenizer);
  const replies = repliesOf(writer, specials);
  const { prompt, stopToken } = replies;
  const stopId = stopToken === undefined ? undefined : tokenizer.idOf(stopToken);
  const toolsOf = toolReader();
  const asksIds = source.includes('tool_call_id');

  const inputOf = ({ messages, system, tools, place }: Conversation): JinjaInput => ({
    messages: toJinjaMessages(messages, system || (options.defaultSystem ?? ''), place, asksIds),
    tools: toolsOf(tools, place),
  });

  const promptText = (conversation: Conversation): string => {
    const { place } = conversation;
    const text = writer.write(inputOf(conversation), { add_generation_prompt: true }, place);
    return text.endsWith(prompt) ? text : text + prompt;
  };

  // Replies without a stop token of their own end where the next turn begins: there the end of text is learned.
  const efficientEos =
    stopToken === undefined && !writer.hasGeneration ? tokenizer.eos?.id : undefined;
  const stops = [stopId, tokenizer.eos?.id, ...(options.stopIds ?? [])];
  return {
    name: 'model',
    identity: JSON.stringify([source, writer.given, writer.today, options.defaultSystem, specials]),
    stopIds: [...new Set(stops.filter((id) => id !== undefined))],
    efficientEos,
    omits: omitsOf(writer),

    encode(conversation) {
      const { place } = conversation;
      if (stopToken === undefined && efficientEos === undefined && !writer.hasGeneration)
        throw noExactMask(place, 'it writes no stop token after a reply');
      const input = inputOf(conversation);
      const marked = writer.mark(input, {}, place);
      const spans = replies.spans(input, marked, place);
      const turns = cutTurns(tokenizer.encodeWithOffsets(marked.text), spans);
      return replies.lastIsBare && stopId !== undefined ? withStop(turns, stopId) : turns;
    },
    prompt: (conversation) => tokenizer.encode(promptText(conversation)),
    promptText,
  };
}

/** The last reply with the stop token that the template leaves away there. */
function withStop(turns: readonly Turn[], stopId: number): readonly Turn[] {
  const last = turns.at(-1);
  if (!last || last.learned < last.target.length || last.target.at(-1) === stopId) return turns;
  const target = Int32Array.of(...last.target, stopId);
  return [...turns.slice(0, -1), { ...last, target, learned: target.length }];
}

/** Rows with the same tools share what is made of them. */
function toolReader(): (tools: string, place: Place | undefined) => readonly JsonValue[] {
  let last: { readonly text: string; readonly tools: readonly JsonValue[] } | undefined;
  return (text, place) => {
    if (text === '') return [];
    if (last?.text !== text) last = { text, tools: parseTools(text, place).map(wrapped) };
    return last.tools;
  };
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

/** `withIds`: rows have no ids of calls; templates that ask for them get `call00000`, `call00001`, … in their order. */
function toJinjaMessages(
  messages: Conversation['messages'],
  system: string,
  place: Place | undefined,
  withIds: boolean,
): readonly JinjaMessage[] {
  const first: JinjaMessage[] = system === '' ? [] : [{ role: 'system', content: system }];
  let made = 0;
  /** Calls that no result has answered yet. */
  let open: { readonly id: string; readonly name: string }[] = [];
  const rest = messages.flatMap((message): JinjaMessage[] => {
    const { role, content, thoughts } = message;
    const thought = thoughts === undefined ? {} : { reasoning_content: thoughts };
    if (role === 'observation') {
      return (message.results ?? [content]).map((result) => {
        const call = open.shift();
        const answered = withIds && call ? { tool_call_id: call.id, name: call.name } : {};
        return { role: 'tool', ...answered, content: result };
      });
    }
    if (role !== 'function') return [{ role, ...thought, content }];
    const { words, calls } = splitCalls(content, place);
    open = calls.map(({ name }) => ({ id: `call${String(made++).padStart(5, '0')}`, name }));
    const toolCalls = calls.map(({ name, arguments: given }, i) => ({
      type: 'function',
      ...(withIds ? { id: open[i].id } : {}),
      function: { name, arguments: argumentsOf(given) },
    }));
    const said = (message.words ?? '') + words;
    return [{ role: 'assistant', ...thought, content: said, tool_calls: toolCalls }];
  });
  return [...first, ...rest];
}

/** OpenAI writes arguments as JSON text; templates want the object. */
function argumentsOf(given: JsonValue): JsonValue {
  if (typeof given !== 'string') return given;
  const value = tryJson(given);
  return value !== undefined && isJsonObject(value) ? value : given;
}
