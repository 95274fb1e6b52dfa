/** @file Vectors of kind `encode`: one conversation through one template, to pieces, pairs, labels. */

import { TuneryError } from '../../src/core/errors.ts';
import type { Message, Role } from '../../src/data/example.ts';
import { ignored, labelTurns } from '../../src/data/labels.ts';
import { templates } from '../../src/data/templates/index.ts';
import { adaptTemplate, type NamedOptions, namedTemplate } from '../../src/data/templates/named.ts';
import { type Conversation, type Piece, renderPieces } from '../../src/data/templates/render.ts';
import { asWritten, thinkInTurns } from '../../src/data/templates/thoughts.ts';
import { isToolFormat } from '../../src/data/tool-formats/index.ts';
import type { JsonObject, JsonValue } from '../../src/files/json.ts';
import { type ByteTokenizer, tokenizerOf } from './byte-tokenizer.ts';
import { compare, Mismatch } from './compare.ts';
import { listOf, objectOf, textOf, type Vector } from './vector.ts';

/** The vectors were made with the clock at this day. */
export const today = '02 Jan 2025';

const roles: Readonly<Record<string, Role>> = {
  user: 'user',
  assistant: 'assistant',
  observation: 'observation',
  function: 'function',
};

export function templateOf(vector: Vector) {
  const name = textOf(vector.template);
  const template = Object.hasOwn(templates, name) ? templates[name] : undefined;
  if (!template) throw new Mismatch(`there is no template \`${name}\``);
  return template;
}

const messagesOf = (value: JsonValue | undefined): readonly Message[] =>
  listOf(value)
    .map(objectOf)
    .map(({ role, content }) => ({
      role: roles[textOf(role)] ?? 'user',
      content: textOf(content),
    }));

/** LLaMA-Factory's data arguments that differ from their defaults. */
function optionsOf(options: JsonObject): NamedOptions {
  const { default_system: system, tool_format: format, enable_thinking: thinking } = options;
  return {
    today,
    defaultSystem: typeof system === 'string' ? system : undefined,
    toolFormat: typeof format === 'string' && isToolFormat(format) ? format : undefined,
    enableThinking: thinking === undefined ? true : thinking === null ? null : thinking === true,
    preserveThinking: options.preserve_thinking === true,
    maskHistory: options.mask_history === true,
    trainOnPrompt: options.train_on_prompt === true,
  };
}

/** A set that LLaMA-Factory does not know was recorded as its end of text. */
const recorded = (piece: Piece): JsonValue =>
  typeof piece !== 'string' && 'unwritten' in piece ? { eos: true } : piece;

export function checkEncode(vector: Vector): void {
  const declared = templateOf(vector);
  const options = optionsOf(objectOf(vector.options));
  const tokenizer = tokenizerOf(objectOf(vector.tokenizer), declared);
  const input = objectOf(vector.input);
  const conversation: Conversation = {
    messages: messagesOf(input.messages),
    system: textOf(input.system),
    tools: textOf(input.tools),
    place: { file: 'rows.json', line: 7 },
  };
  const failure = vector.error === undefined ? undefined : objectOf(vector.error);
  if (failure?.at === 'template') {
    refused(failure, () => namedTemplate(declared, tokenizer, options));
    return;
  }
  const chat = namedTemplate(declared, tokenizer, options);
  if (failure && argumentsAreText(failure)) return;
  if (failure) {
    refused(failure, () => chat.encode(conversation));
    return;
  }

  compare('elements', vector.elements ?? [], piecesOf(declared, conversation, options));
  const turns = chat.encode(conversation);
  const pairs = turns.map(({ source, target }) => ({
    source: tokenizer.decode(source),
    target: tokenizer.decode(target),
  }));
  compare('pairs', vector.pairs, pairs);

  const turn = chat.encodeOneTurn?.(conversation);
  const oneturn = turn && {
    prompt: tokenizer.decode(turn.source),
    response: tokenizer.decode(turn.target),
  };
  compare('oneturn', vector.oneturn, oneturn);
  // With an empty reply the prompt is what a reply is generated to.
  const before = { ...conversation, messages: conversation.messages.slice(0, -1) };
  if (declared.thinking === 'never') {
    compare('the prompt’s text', objectOf(vector.oneturn).prompt, chat.promptText(before));
  }
  compare('the prompt', chat.promptText(before), tokenizer.decode(chat.prompt(before)));

  const { ids, labels } = labelTurns(turns, {
    cutoff: 1 << 30,
    maskHistory: options.maskHistory ?? false,
    trainOnPrompt: options.trainOnPrompt ?? false,
    efficientEos: chat.efficientEos,
  });
  compare('sft', vector.sft, spansOf(ids, labels, tokenizer));
}

function piecesOf(
  declared: ReturnType<typeof templateOf>,
  conversation: Conversation,
  options: NamedOptions,
): JsonValue {
  const template = adaptTemplate(declared, options);
  const { messages } = conversation;
  const { enableThinking = true, preserveThinking = false, maskHistory = false } = options;
  const thinking = { enableThinking, preserveThinking, maskHistory };
  const shown =
    template.thinking === 'never'
      ? asWritten(messages)
      : thinkInTurns(template, messages, thinking);
  const pieces = renderPieces(template, { ...conversation, messages: shown.messages }, today);
  return pieces.map((each) => each.filter((piece) => piece !== '').map(recorded));
}

/** OpenAI's arguments, which are text, are read here where LLaMA-Factory fails on them. */
const argumentsAreText = ({ message }: JsonObject): boolean =>
  textOf(message) === "'str' object has no attribute 'items'";

/** Refused in the same step, and for the same reason as far as the two can be told apart. */
function refused({ message }: JsonObject, act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    const code = textOf(message).includes('train_on_prompt')
      ? 'data/prompt-not-learned'
      : 'data/tool-json';
    compare('the error', code, error.code);
    return;
  }
  throw new Mismatch(`expected to be refused: ${textOf(message)}`);
}

type Span = { readonly text: string; readonly train: boolean; readonly first_label?: string };

/** Runs of tokens that are learned, or not; a token whose label is another one begins a run. */
function spansOf(ids: Int32Array, labels: Int32Array, tokenizer: ByteTokenizer): readonly Span[] {
  const spans: { ids: number[]; train: boolean; first: number | undefined }[] = [];
  for (const [i, id] of ids.entries()) {
    const label = labels[i] ?? ignored;
    const train = label === id;
    const first = train || label === ignored ? undefined : label;
    const last = spans.at(-1);
    if (last?.train === train && first === undefined) last.ids.push(id);
    else spans.push({ ids: [id], train, first });
  }
  return spans.map(({ ids: some, train, first }) => ({
    text: tokenizer.decode(some),
    train,
    ...(first === undefined ? {} : { first_label: tokenizer.decode([first]) }),
  }));
}
