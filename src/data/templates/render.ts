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
  /** Takes its place in a named template. */
  readonly namedSystem?: string;
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
  const opening = renderOpening(template, conversation, today);
  return conversation.messages.map((message, i) => {
    const turn = renderMessage(
      template,
      i === 0 ? opening.into(message) : message,
      i,
      conversation.place,
    );
    return i === 0 ? [...opening.pieces, ...turn] : turn;
  });
}

export type Opening = {
  readonly pieces: readonly Piece[];
  /** The first message, with the system text before its own where the template puts it there. */
  into(first: Message): Message;
};

/** What stands before the first message, or goes into it. */
export function renderOpening(
  template: NamedTemplate,
  conversation: Conversation,
  today: string,
): Opening {
  const unchanged = (first: Message): Message => first;
  const text = systemText(template, conversation, today);
  if (text === undefined) return { pieces: template.prefix, into: unchanged };
  const system = fill(template.system, { content: text });
  if (template.systemPlace === 'own') {
    return { pieces: [...template.prefix, ...system], into: unchanged };
  }
  const [before = ''] = system;
  return {
    pieces: template.prefix,
    into: (first) =>
      first.role === 'user' && typeof before === 'string'
        ? { ...first, content: before + first.content }
        : first,
  };
}

export const givenSystem = ({ system, namedSystem }: Conversation): string => namedSystem ?? system;

/** The system text with the tools described after it; undefined where there is neither. */
function systemText(
  template: NamedTemplate,
  conversation: Conversation,
  today: string,
): string | undefined {
  const { tools, place } = conversation;
  const system = givenSystem(conversation) || template.defaultSystem;
  if (system === '' && tools === '') return undefined;
  if (tools === '') return system;
  const text = describeTools(template, tools, today, place);
  return system === '' && template.trimsLoneTools ? text.replace(/^\n+/, '') : system + text;
}

function describeTools(
  template: NamedTemplate,
  tools: string,
  today: string,
  place: Place | undefined,
): string {
  if (template.toolsText !== undefined) return fillText(template.toolsText, { content: tools });
  const described = parseTools(tools, place);
  const format: ToolFormat = toolFormats[template.tools];
  return described.length === 0 ? '' : format.tools(described, { today, place });
}

export function renderMessage(
  template: NamedTemplate,
  { role, content }: Message,
  index: number,
  place: Place | undefined,
): readonly Piece[] {
  switch (role) {
    case 'user': {
      const idx = String(Math.floor(index / 2));
      return fill(template.user, template.systemPlace === 'own' ? { content, idx } : { content });
    }
    case 'observation':
      return fill(template.observation, { content });
    case 'assistant':
      return fill(template.assistant, { content });
    case 'function':
      return fill(template.function, { content: callsText(template, content, place) });
  }
}

type Values = { readonly content: string; readonly idx?: string };

const fill = (slots: readonly Slot[], values: Values): readonly Piece[] =>
  slots.map((slot) => (typeof slot === 'string' ? fillText(slot, values) : slot));

/**
 * Each name is replaced once in a slot, one after the other: a `{{idx}}` in the content is filled too,
 * which is how LLaMA-Factory has it.
 */
function fillText(slot: string, { content, idx }: Values): string {
  const text = put(slot, '{{content}}', content);
  return idx === undefined ? text : put(text, '{{idx}}', idx);
}

function put(text: string, name: string, value: string): string {
  const at = text.indexOf(name);
  return at < 0 ? text : text.slice(0, at) + value + text.slice(at + name.length);
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
 * words, or after thoughts; the rest of the text goes before them. Templates with the system text in the
 * user's turn know no such words: their calls are JSON alone.
 */
function callsText(template: NamedTemplate, content: string, place: Place | undefined): string {
  const format: ToolFormat = toolFormats[template.tools];
  if (template.systemPlace === 'user') return format.calls(parseCalls(content, place), place);
  const { words, calls } = splitCalls(content, place, template);
  return words + format.calls(calls, place);
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
