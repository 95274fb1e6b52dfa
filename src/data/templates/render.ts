/** @file A conversation in a named template, as pieces that are tokenized one by one. */
import type { Place } from '../../core/errors.ts';
import type { Message } from '../example.ts';
import { toolFormats } from '../tool-formats/index.ts';
import {
  parseCalls,
  parseTools,
  type ToolCall,
  type ToolFormat,
} from '../tool-formats/tool-format.ts';
import { defineTemplate, type NamedTemplate, type Slot } from './template.ts';

export type Conversation = {
  readonly messages: readonly Message[];
  readonly system: string;
  /** JSON text of a list, or empty. */
  readonly tools: string;
  readonly place?: Place;
};

/** A slot with its text filled in. */
export type Piece = Slot;

/** The pieces of each message; the first one's begin with prefix and system text. */
export function renderPieces(
  template: NamedTemplate,
  conversation: Conversation,
  today: string,
): readonly (readonly Piece[])[] {
  const { messages, place } = conversation;
  const format: ToolFormat = toolFormats[template.tools];
  return messages.map((message, i) => {
    const opening = i === 0 ? renderOpening(template, conversation, format, today) : [];
    return [...opening, ...renderMessage(template, message, i, format, place)];
  });
}

function renderOpening(
  template: NamedTemplate,
  { system: given, tools, place }: Conversation,
  format: ToolFormat,
  today: string,
): readonly Piece[] {
  const system = given === '' ? template.defaultSystem : given;
  if (system === '' && tools === '') return template.prefix;
  const described = tools === '' ? [] : parseTools(tools, place);
  const text = described.length === 0 ? '' : format.tools(described, today);
  return [...template.prefix, ...fill(template.system, { content: system + text })];
}

function renderMessage(
  template: NamedTemplate,
  { role, content }: Message,
  index: number,
  format: ToolFormat,
  place: Place | undefined,
): readonly Piece[] {
  const idx = String(Math.floor(index / 2));
  switch (role) {
    case 'user':
      return fill(template.user, { content, idx });
    case 'observation':
      return fill(template.observation, { content, idx });
    case 'assistant':
      return fill(template.assistant, { content });
    case 'function':
      return fill(template.function, { content: callsText(template, content, format, place) });
  }
}

/**
 * Each name is replaced once in a slot, one after the other: a `{{idx}}` in the content is filled too,
 * which is how LLaMA-Factory has it.
 */
function fill(slots: readonly Slot[], values: Readonly<Record<string, string>>): readonly Piece[] {
  return slots.map((slot) => {
    if (typeof slot !== 'string') return slot;
    let text = slot;
    for (const [name, value] of Object.entries(values))
      text = text.replace(`{{${name}}}`, () => value);
    return text;
  });
}

/** The first text between two words, and those words with it. */
function between(text: string, [open, close]: readonly [string, string]): string | undefined {
  const from = text.indexOf(open);
  if (from < 0) return undefined;
  const to = text.indexOf(close, from + open.length);
  return to < 0 ? undefined : text.slice(from, to + close.length);
}

/**
 * The calls of a `function` message in the template's own form. They may stand in the template's call
 * words, or after thoughts; the rest of the text goes before them.
 */
function callsText(
  template: NamedTemplate,
  content: string,
  format: ToolFormat,
  place: Place | undefined,
): string {
  const { words, calls } = splitCalls(content, place, template);
  return words + format.calls(calls);
}

const usualWords: Pick<NamedTemplate, 'thoughtWords' | 'toolCallWords'> = defineTemplate({
  name: '',
});

/** The calls of a `function` message, and the words that stand around them. */
export function splitCalls(
  content: string,
  place: Place | undefined,
  { thoughtWords, toolCallWords }: typeof usualWords = usualWords,
): { readonly words: string; readonly calls: readonly ToolCall[] } {
  const call = between(content, toolCallWords);
  if (call !== undefined) {
    const [open, close] = toolCallWords;
    const json = call.slice(open.length, call.length - close.length);
    return { words: content.replaceAll(call, ''), calls: parseCalls(json, place) };
  }
  const thought = between(content, thoughtWords);
  const json = thought === undefined ? content : content.replaceAll(thought, '');
  return { words: thought ?? '', calls: parseCalls(json, place) };
}
