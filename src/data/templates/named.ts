/** @file A named template with a tokenizer: pieces tokenized one by one, prompts and replies in pairs. */
import { type ChatTemplate, concat, fixedDate, formatDate } from '../chat-template.ts';
import { promptNotLearned } from '../errors.ts';
import { isReply, type Message } from '../example.ts';
import type { Turn } from '../labels.ts';
import type { ToolFormatName } from '../tool-formats/index.ts';
import { type PieceTokenizer, pieceEncoder } from './piece-encoder.ts';
import {
  type Conversation,
  givenSystem,
  type Opening,
  type Piece,
  renderMessage,
  renderOpening,
} from './render.ts';
import { eos, type NamedTemplate } from './template.ts';
import {
  asWritten,
  emptyThought,
  type Thinking,
  type ThinkingOptions,
  thinkInOneTurn,
  thinkInTurns,
} from './thoughts.ts';

export type NamedOptions = Partial<ThinkingOptions> & {
  /** Takes the place of the template's own. */
  readonly defaultSystem?: string | undefined;
  readonly toolFormat?: ToolFormatName | undefined;
  readonly trainOnPrompt?: boolean;
  readonly today?: string;
};

/** A template as the settings change it. */
export function adaptTemplate(declared: NamedTemplate, options: NamedOptions): NamedTemplate {
  const { defaultSystem = declared.defaultSystem, toolFormat } = options;
  if (toolFormat === undefined) return { ...declared, defaultSystem };
  const calls = declared.efficientEos ? ['{{content}}'] : ['{{content}}', eos];
  return { ...declared, defaultSystem, tools: toolFormat, toolsText: undefined, function: calls };
}

const thinkingOf = (options: NamedOptions): ThinkingOptions => ({
  enableThinking: true,
  preserveThinking: false,
  maskHistory: false,
  ...options,
});

export function namedTemplate(
  declared: NamedTemplate,
  tokenizer: PieceTokenizer,
  options: NamedOptions = {},
): ChatTemplate {
  const { name } = declared;
  if (options.trainOnPrompt && declared.efficientEos) throw promptNotLearned(name);
  const template = adaptTemplate(declared, options);
  const today = options.today ?? formatDate(fixedDate);
  const { enableThinking, preserveThinking, maskHistory } = thinkingOf(options);
  const thinking = { enableThinking, preserveThinking, maskHistory };
  const thinks = template.thinking !== 'never';
  const { eosToken, eosId, stopIds, encode, text } = pieceEncoder(template, tokenizer);
  const opened = lastOpening(template, today, encode);

  const encodeMessages = (
    conversation: Conversation,
    messages: readonly Message[],
  ): readonly Int32Array[] => {
    const { opening, ids } = opened(conversation);
    return messages.map((message, i) => {
      const shown = i === 0 ? opening.into(message) : message;
      const turn = encode(renderMessage(template, shown, i, conversation.place));
      return i === 0 ? concat([ids, turn]) : turn;
    });
  };

  /** Prompt and reply; an empty thought that the reply lacks ends the one or begins the other. */
  const pair = (source: Int32Array, reply: Int32Array, thoughts: Thinking, i: number): Turn => {
    if (!thoughts.lacks(i)) return { source, target: reply, learned: reply.length };
    const thought = encode([emptyThought(template)]);
    if (thoughts.inPrompt) {
      return { source: concat([source, thought]), target: reply, learned: reply.length };
    }
    const target = concat([thought, reply]);
    return { source, target, learned: target.length };
  };

  /** All messages before the next reply, which is asked for as if it were empty. */
  const promptPieces = (conversation: Conversation): readonly Piece[] => {
    const { messages, place } = conversation;
    const last = messages.at(-1);
    const asked = last !== undefined && !isReply(last.role);
    const thoughts =
      thinks && asked
        ? thinkInOneTurn(template, [...messages, { role: 'assistant', content: '' }], thinking)
        : asWritten(messages);
    const { pieces, into } = opened(conversation).opening;
    const turns = thoughts.messages
      .slice(0, messages.length)
      .map((message, i) => (i === 0 ? into(message) : message))
      .flatMap((message, i) => renderMessage(template, message, i, place));
    const thought = thoughts.inPrompt && thoughts.lacks(messages.length);
    return [...pieces, ...turns, ...(thought ? [emptyThought(template)] : [])];
  };

  return {
    name,
    identity: JSON.stringify({ template, today, eosToken, ...(thinks ? { thinking } : {}) }),
    stopIds,
    efficientEos: template.efficientEos ? eosId : undefined,
    omits: { tools: false, calls: false, thoughts: true },

    encode(conversation) {
      const { messages } = conversation;
      const thoughts = thinks ? thinkInTurns(template, messages, thinking) : asWritten(messages);
      const ids = encodeMessages(conversation, thoughts.messages);
      const turns: Turn[] = [];
      for (let i = 0; i + 1 < ids.length; i += 2) {
        turns.push(pair(ids[i], ids[i + 1], thoughts, i + 1));
      }
      // A prompt without its reply, as preference data has it, is a source alone.
      if (ids.length % 2 === 1 && !isReply(messages[ids.length - 1].role)) {
        turns.push({ source: ids[ids.length - 1], target: new Int32Array(0), learned: 0 });
      }
      return turns;
    },

    encodeOneTurn(conversation) {
      const { messages } = conversation;
      const thoughts = thinks ? thinkInOneTurn(template, messages, thinking) : asWritten(messages);
      const ids = encodeMessages(conversation, thoughts.messages);
      const last = ids.length - 1;
      return pair(concat(ids.slice(0, -1)), ids[last], thoughts, last);
    },

    prompt: (conversation) => encode(promptPieces(conversation)),
    promptText: (conversation) => text(promptPieces(conversation)),
  };
}

type Opened = { readonly opening: Opening; readonly ids: Int32Array };

/** Keeps the last opening: rows of one set mostly share it, and with tools it is most of their text. */
function lastOpening(
  template: NamedTemplate,
  today: string,
  encode: (pieces: readonly Piece[]) => Int32Array,
): (conversation: Conversation) => Opened {
  let last: (Opened & Pick<Conversation, 'system' | 'tools'>) | undefined;
  return (conversation) => {
    const { tools } = conversation;
    const system = givenSystem(conversation);
    if (!last || last.system !== system || last.tools !== tools) {
      const opening = renderOpening(template, conversation, today);
      last = { system, tools, opening, ids: encode(opening.pieces) };
    }
    return last;
  };
}
