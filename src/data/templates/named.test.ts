import { describe, expect, test } from 'vitest';
import { byteTokenizer } from '../../../tests/vectors/byte-tokenizer.ts';
import { faults } from '../faults.ts';
import { ignored, labelTurns } from '../labels.ts';
import { oneTurn } from '../one-turn.ts';
import { templates } from './index.ts';
import { type NamedOptions, namedTemplate } from './named.ts';
import type { Conversation } from './render.ts';

// That the templates are LLaMA-Factory's is held by tests/vectors; this is what vectors do not say.

const place = { file: 'rows.json', line: 7 };
const tokens = ['<|im_start|>', '<|im_end|>', '<think>', '</think>'];
const tokenizer = byteTokenizer(tokens, '<|im_start|>', '<|im_end|>');
const open = (name: string, options?: NamedOptions) =>
  namedTemplate(templates[name]!, tokenizer, options);

const talk = (...contents: string[]): Conversation => ({
  messages: contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content })),
  system: '',
  tools: '',
  place,
});

test('chatml is smollm2 where both are given the same system text', () => {
  const conversation = { ...talk('Hi', 'Yo', 'Bye', 'So long'), system: 'Be brief.' };
  expect(open('chatml').encode(conversation)).toEqual(open('smollm2').encode(conversation));
});

test('a template whose stop token the vocabulary lacks is refused', () => {
  const other = byteTokenizer(['<s>', '</s>'], '<s>', '</s>');
  expect(() => namedTemplate(templates.qwen!, other)).toThrow(/<\|im_end\|>/);
});

test('the same opening is rendered anew where system text or tools differ', () => {
  const chat = open('qwen');
  const text = (conversation: Conversation): string =>
    tokenizer.decode(chat.encode(conversation)[0]!.source);
  const tools = '[{"name": "f", "description": "d", "parameters": {}}]';
  const plain = text(talk('a', 'b'));
  expect(text({ ...talk('a', 'b'), tools })).toContain('# Tools');
  expect(text({ ...talk('a', 'b'), system: 'S' })).toContain('system\nS<|im_end|>');
  expect(text(talk('a', 'b'))).toBe(plain);
});

test('a system text for named templates takes the place of the row’s own', () => {
  const grown = { ...talk('a', 'b'), namedSystem: 'detailed thinking off' };
  const { source } = open('chatml').encode(grown)[0]!;
  expect(tokenizer.decode(source)).toContain('system\ndetailed thinking off<|im_end|>');
  const prompt = { messages: talk('a').messages, system: '', tools: '', place };
  const reply = { role: 'assistant', content: 'b' } as const;
  const turn = oneTurn(open('chatml'), { ...prompt, namedSystem: 'detailed thinking off' }, reply);
  expect(turn.prompt).toEqual(source);
});

test('tools in a format of the user’s choice', () => {
  const tools = '[{"name": "f", "description": "d", "parameters": {}}]';
  const call = { role: 'function', content: '{"name": "f", "arguments": {"x": 1}}' } as const;
  const conversation = { ...talk('a'), tools };
  const turns = open('qwen', { toolFormat: 'mistral' }).encode({
    ...conversation,
    messages: [...conversation.messages, call],
  });
  expect(tokenizer.decode(turns[0]!.source)).toContain('[AVAILABLE_TOOLS] [');
  // The slots around calls are those of a plain reply then, as in LLaMA-Factory.
  expect(tokenizer.decode(turns[0]!.target)).toBe(
    '[{"name": "f", "arguments": {"x": 1}}]<|im_end|>',
  );
});

describe('a reply that is asked for', () => {
  const ask = (enableThinking: boolean | null): string =>
    open('qwen3', { enableThinking }).promptText(talk('a', '<think>\nx\n</think>\n\nb', 'c'));

  test('may think, where thinking is on', () => {
    expect(ask(true).endsWith('<|im_start|>assistant\n')).toBe(true);
  });
  test('follows an empty thought, where it is off or left to the rows', () => {
    for (const value of [false, null])
      expect(ask(value).endsWith('assistant\n<think>\n\n</think>\n\n')).toBe(true);
  });
  test('does not see earlier thoughts, unless they are preserved', () => {
    expect(ask(true)).not.toContain('x\n</think>');
    const kept = open('qwen3', { preserveThinking: true });
    expect(kept.promptText(talk('a', '<think>\nx\n</think>\n\nb', 'c'))).toContain('x\n</think>');
  });
});

test('preference data sees a history without thoughts', () => {
  const { messages } = talk('a', '<think>\nx\n</think>\n\nb', 'c');
  const reply = { role: 'assistant', content: 'd' } as const;
  const turn = oneTurn(open('qwen3'), { messages, system: '', tools: '', place }, reply);
  expect(tokenizer.decode(turn.prompt)).not.toContain('<think>');
  expect(tokenizer.decode(turn.reply)).toBe('<think>\n\n</think>\n\nd<|im_end|>\n');
});

test('arguments as JSON text are read where a format writes each by itself', () => {
  const content = '[{"name": "f", "arguments": "{\\"x\\": [1.0]}"}]';
  const { messages } = talk('a');
  const target = (name: string): string =>
    tokenizer.decode(
      open(name).encode({
        ...talk('a'),
        messages: [...messages, { role: 'function', content }],
      })[0]!.target,
    );
  expect(target('qwen3_5_nothink')).toContain('<parameter=x>\n[1.0]\n</parameter>');
  expect(target('qwen')).toContain('"arguments": "{\\"x\\": [1.0]}"');
});

test('a call without arguments by name is refused with the row’s place', () => {
  const content = '{"name": "f", "arguments": [1]}';
  const messages = [...talk('a').messages, { role: 'function', content } as const];
  const encode = () => open('qwen3_5_nothink').encode({ ...talk('a'), messages });
  expect(encode).toThrow(expect.objectContaining({ code: 'data/tool-json', place }));
});

test('an empty prompt has no label to learn a stop token on', () => {
  const chat = open('fewshot');
  const turns = chat.encode(talk('q', 'a', '', 'b'));
  const options = { cutoff: 99, maskHistory: false, trainOnPrompt: false };
  const { ids, labels } = labelTurns(turns, { ...options, efficientEos: chat.efficientEos });
  expect(labels.length).toBe(ids.length);
  expect(tokenizer.decode(labels.filter((label) => label !== ignored))).toBe(
    'a\n\nb\n\n<|im_end|>',
  );
});

describe('tools', () => {
  const opening = (tools: string): string => open('chatml').promptText({ ...talk('q'), tools });
  test.each(['[]', '{}', '""'])('%s are none', (tools) => {
    expect(opening(tools)).toBe(
      '<|im_start|>system\n<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n',
    );
  });
  test('one tool need not stand in a list', () => {
    const tool = '{"name": "f", "description": "d", "parameters": {}}';
    expect(opening(tool)).toBe(opening(`[${tool}]`));
  });
  test('null, which is no list, is refused', () => {
    expect(() => opening('null')).toThrow(expect.objectContaining({ code: 'data/tool-json' }));
  });
});

describe('faults', () => {
  test('have ids of their own', () => {
    expect(new Set(faults.map(({ id }) => id)).size).toBe(faults.length);
  });

  const named = (id: string, conversation: Conversation, template: string): number | undefined =>
    faults
      .find((fault) => fault.id === id)
      ?.ofRow?.({
        example: { ...conversation, media: {}, place },
        template: templates[template],
      });

  test('are found where the rendered text shows them', () => {
    const row = talk('see {{idx}}', 'b');
    expect(open('chatml').promptText(row)).toContain('see 0');
    expect(named('idx-in-text', row, 'chatml')).toBe(0);
    expect(named('idx-in-text', row, 'llama2')).toBeUndefined();
    expect(named('half-thought', talk('a', '<think>x</think>b'), 'qwen3')).toBe(1);
    expect(named('half-thought', talk('a', '<think>\nx\n</think>\n\nb'), 'qwen3')).toBeUndefined();
  });

  test('of templates are their own', () => {
    const having = (id: string): string[] =>
      Object.values(templates)
        .filter((template) => faults.find((fault) => fault.id === id)?.ofTemplate?.(template))
        .map(({ name }) => name);
    expect(having('no-stop-token')).toContain('empty');
    expect(having('no-stop-token')).not.toContain('qwen');
    expect(having('call-without-stop')).toContain('gemma4');
    expect(having('rounds-from-zero')).toEqual(['chatglm2']);
    expect(having('beginning-not-written')).toEqual(['phi_small']);
  });
});
