import { describe, expect, test } from 'vitest';
import { vectorsOf } from '../../../tests/llamafactory-vectors.ts';
import { TuneryError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, toPythonJson } from '../../files/json.ts';
import type { Message, Role } from '../example.ts';
import { ignored, labelTurns } from '../labels.ts';
import { toolFormats } from '../tool-formats/index.ts';
import { parseTools, type ToolFormat, tryJson } from '../tool-formats/tool-format.ts';
import { templates } from './index.ts';
import { namedTemplate, type PieceTokenizer } from './named.ts';
import { type Piece, renderPieces } from './render.ts';
import type { NamedTemplate } from './template.ts';
import { toJinja } from './to-jinja.ts';

// LLaMA-Factory's vectors: `datetime.now()` stood at this date, tokens were bytes and a few specials.
const today = '02 Jan 2025';

const text = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');
const list = (value: JsonValue | undefined): readonly JsonValue[] =>
  Array.isArray(value) ? value : [];
const object = (value: JsonValue | undefined): JsonObject =>
  isJsonObject(value ?? null) ? (value as JsonObject) : {};
const roles: Readonly<Record<string, Role>> = {
  user: 'user',
  assistant: 'assistant',
  observation: 'observation',
  function: 'function',
};

const messagesOf = (value: JsonValue | undefined): Message[] =>
  list(value).map((m) => ({
    role: roles[text(object(m).role)]!,
    content: text(object(m).content),
  }));

function bytesAnd(
  tokens: readonly string[],
  bos: string,
  eos: string,
): PieceTokenizer & { textOf(ids: Iterable<number>): string } {
  const ids = new Map(tokens.map((token, i) => [token, 256 + i]));
  return {
    encode: (piece) => Int32Array.from(Buffer.from(piece, 'utf8')),
    idOf: (token) => ids.get(token),
    bos: { id: ids.get(bos)!, token: bos },
    eos: { id: ids.get(eos)!, token: eos },
    textOf(some) {
      const parts = [...some].map((id) =>
        id < 256 ? Buffer.of(id) : Buffer.from(tokens[id - 256]!),
      );
      return Buffer.concat(parts).toString('utf8');
    },
  };
}

/** Token-free text stands for the tokens that it is, as in the vectors. */
const tokenizerOf = (vector: JsonObject, template: NamedTemplate) => {
  const { bos, eos, pad } = object(vector.tokenizer);
  const known = [text(bos), text(eos), text(pad), '<|eos|>', ...template.stopWords];
  return bytesAnd([...new Set(known)], text(bos), template.replaceEos ? '<|eos|>' : text(eos));
};

const plainPiece = (piece: Piece): JsonValue => (typeof piece === 'string' ? piece : { ...piece });

describe.each(vectorsOf('encode').map((v) => [text(v.id), v] as const))('%s', (_, vector) => {
  const options = object(vector.options);
  const declared = templates[text(vector.template)]!;
  const defaultSystem =
    typeof options.default_system === 'string' ? options.default_system : undefined;
  const template = { ...declared, defaultSystem: defaultSystem ?? declared.defaultSystem };
  const input = object(vector.input);
  const conversation = {
    messages: messagesOf(input.messages),
    system: text(input.system),
    tools: text(input.tools),
    place: { file: 'rows.json', line: 7 },
  };
  const tokenizer = tokenizerOf(vector, template);
  const chat = namedTemplate(declared, tokenizer, { defaultSystem, today });

  if (vector.error !== undefined) {
    test('is refused with the row’s place', () => {
      expect(() => chat.encode(conversation)).toThrow(TuneryError);
      expect(() => chat.encode(conversation)).toThrow(/call/);
    });
    return;
  }

  test('pieces, pairs, prompt and labels', () => {
    const pieces = renderPieces(template, conversation, today);
    expect(pieces.map((each) => each.filter((p) => p !== '').map(plainPiece))).toEqual(
      vector.elements,
    );

    const turns = chat.encode(conversation);
    const pairs = turns.map(({ source, target }) => ({
      source: tokenizer.textOf(source),
      target: tokenizer.textOf(target),
    }));
    expect(pairs).toEqual(vector.pairs);

    const before = { ...conversation, messages: conversation.messages.slice(0, -1) };
    expect(chat.promptText(before)).toBe(object(vector.oneturn).prompt);
    expect(tokenizer.textOf(chat.prompt(before))).toBe(object(vector.oneturn).prompt);

    const { ids, labels } = labelTurns(turns, {
      cutoff: 1 << 30,
      maskHistory: options.mask_history === true,
      trainOnPrompt: options.train_on_prompt === true,
      efficientEos: chat.efficientEos,
    });
    expect(spansOf(ids, labels, tokenizer.textOf)).toEqual(vector.sft);
  });
});

function spansOf(
  ids: Int32Array,
  labels: Int32Array,
  textOf: (ids: number[]) => string,
): unknown[] {
  const spans: { ids: number[]; train: boolean }[] = [];
  for (const [i, id] of ids.entries()) {
    const train = labels[i] !== ignored;
    if (train) expect(labels[i]).toBe(id);
    if (spans.at(-1)?.train !== train) spans.push({ ids: [], train });
    spans.at(-1)!.ids.push(id);
  }
  return spans.map((span) => ({ text: textOf(span.ids), train: span.train }));
}

describe.each(vectorsOf('export').map((v) => [text(v.template), v] as const))(
  'export of %s',
  (name, vector) => {
    const template = templates[name]!;
    const tokenizer = tokenizerOf(vector, template);

    test('stop tokens, flags and Jinja text', () => {
      const chat = namedTemplate(template, tokenizer);
      expect(template.stopWords).toEqual(vector.stop_words);
      expect(chat.stopIds.map((id) => tokenizer.textOf([id])).sort()).toEqual(vector.stop_tokens);
      expect(template.efficientEos).toBe(vector.efficient_eos);
      expect(template.replaceEos).toBe(vector.replace_eos);
      expect(template.replaceJinja).toBe(vector.replace_jinja_template);
      expect(template.defaultSystem).toBe(vector.default_system);
      expect(template.thoughtWords).toEqual(vector.thought_words);
      expect(template.toolCallWords).toEqual(vector.tool_call_words);
      expect(template.tools).toBe(vector.tool_format);
      const { bos, eos } = object(vector.tokenizer);
      expect(toJinja(template, { bos: text(bos), eos: text(eos) })).toBe(vector.chat_template);
    });
  },
);

test('chatml is smollm2 where both are given the same system text', () => {
  const tokenizer = bytesAnd(['<|im_start|>', '<|im_end|>'], '<|im_start|>', '<|im_end|>');
  const conversation = {
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Yo' },
      { role: 'user', content: 'Bye' },
      { role: 'assistant', content: 'So long' },
    ] as const,
    system: 'Be brief.',
    tools: '',
  };
  expect(namedTemplate(templates.chatml!, tokenizer).encode(conversation)).toEqual(
    namedTemplate(templates.smollm2!, tokenizer).encode(conversation),
  );
});

test('a template whose stop token the vocabulary lacks is refused', () => {
  const tokenizer = bytesAnd(['</s>'], '<s>', '</s>');
  expect(() => namedTemplate(templates.qwen!, tokenizer)).toThrow(/<\|im_end\|>/);
});

const utils = vectorsOf('tool_utils').flatMap((v) => list(v.rows).map(object));
test.each(utils.map((row, i) => [`${text(row.tool_format)} ${i}`, row] as const))(
  'tool format %s',
  (_, row) => {
    const formats: Readonly<Record<string, ToolFormat>> = toolFormats;
    const format = formats[text(row.tool_format)]!;
    if (row.tools !== undefined) {
      expect(format.tools(parseTools(text(row.tools), undefined), today)).toBe(row.tool_text);
      return;
    }
    if (row.calls !== undefined) {
      const calls = list(row.calls)
        .map(list)
        .map(([name, json]) => ({
          name: text(name),
          arguments: tryJson(text(json)) ?? null,
        }));
      expect(format.calls(calls)).toBe(row.text);
    }
    const found = format.extract(text(row.text));
    const told = found?.map((call) => [call.name, toPythonJson(call.arguments)]) ?? row.text;
    expect(told).toEqual(row.extracted);
  },
);
