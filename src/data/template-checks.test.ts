import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { tokenizerFromJson } from '../tokenizer/from-json.ts';
import type { ChatTemplate } from './chat-template.ts';
import { checkTemplate, contentChecker, templateDifference } from './template-checks.ts';
import { jinjaTemplate } from './templates/jinja.ts';

// A small byte-level vocabulary with the control tokens of several families.
const folder = new URL('../../tests/fixtures/data/templates/', import.meta.url);
const json = readFileSync(new URL('tokenizer.json', folder), 'utf8');
const tokenizer = tokenizerFromJson(json).withTokens({ bos: '<s>', eos: '<|im_end|>' });
const end = tokenizer.idOf('<|im_end|>')!;

const chatml = (reply: string, start = ''): string =>
  `${start}{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}{% if message.role == 'assistant' %}${reply}{% else %}{{ message.content + '<|im_end|>\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`;
const usual = "{{ message.content + '<|im_end|>\n' }}";
const templateOf = (source: string): ChatTemplate => jinjaTemplate(source, tokenizer);
const findings = (template: ChatTemplate, more: object = {}) =>
  checkTemplate({ template, tokenizer, generationStopIds: [end], ...more });
const codes = (...given: Parameters<typeof findings>) => findings(...given).map(({ code }) => code);

test('a sound template has no findings', () => {
  expect(findings(templateOf(chatml(usual)))).toEqual([]);
});

describe('another than the model’s own', () => {
  const own = templateOf(chatml(usual));

  test('is told by the first token that differs, in its context', () => {
    const other = templateOf(chatml(usual).replace("role + '\n'", "role + ' '"));
    const found = templateDifference(other, own, tokenizer)!;
    expect(found.severity).toBe('warning');
    const id = (text: string): number => tokenizer.encode(text)[0]!;
    expect(found.message).toContain(`has token ${id(' ')} " "`);
    expect(found.message).toContain(`the model’s has token ${id('\n')} "\\n"`);
    expect(found.message).toContain('user');
    expect(found.message).toContain('in the prompt of a conversation of one turn');
  });

  test('in conversations with tools alone is a note', () => {
    const other = templateOf(`{% if tools %}tools{% endif %}${chatml(usual)}`);
    expect(templateDifference(other, own, tokenizer)).toMatchObject({
      code: 'data/template-differs',
      severity: 'note',
    });
  });

  test('is nothing where only white space after the last stop token differs', () => {
    const other = templateOf(
      chatml("{{ message.content + '<|im_end|>' }}{% if not loop.last %}{{ '\n' }}{% endif %}"),
    );
    expect(templateDifference(other, own, tokenizer)).toBeUndefined();
  });
});

test('a start token twice', () => {
  expect(codes(templateOf(chatml(usual, '{{ bos_token }}')))).toEqual([]);
  const [found] = findings(templateOf(chatml(usual, '{{ bos_token }}{{ bos_token }}')));
  expect(found).toMatchObject({ code: 'data/bos-twice' });
  expect(found!.message).toContain('"<s>"');
});

test('a stop token outside of {% generation %}', () => {
  const tagged = "{% generation %}{{ message.content }}{% endgeneration %}{{ '<|im_end|>\n' }}";
  const [found] = findings(templateOf(chatml(tagged)));
  expect(found).toMatchObject({ code: 'data/stop-not-taught' });
  expect(found!.message).toContain('"<|im_end|>"');
  expect(found!.message).toContain('outside of what is learned');
  const inside =
    "{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}";
  expect(codes(templateOf(chatml(inside)))).toEqual([]);
});

test('a stop token that generation does not know', () => {
  const stop = tokenizer.idOf('<|endoftext|>')!;
  const [found] = findings(templateOf(chatml(usual)), { generationStopIds: [stop] });
  expect(found).toMatchObject({ code: 'data/stop-unknown' });
  expect(found!.message).toContain(`"<|im_end|>" (${end})`);
  expect(found!.message).toContain(`"<|endoftext|>" (${stop})`);
  expect(codes(templateOf(chatml(usual)), { generationStopIds: [] })).toEqual([]);
});

test('a control token that the vocabulary has not', () => {
  const found = findings(templateOf(chatml(usual).replaceAll('<|im_start|>', '<|turn|>')));
  expect(found.map(({ code }) => code)).toEqual(['data/token-in-pieces']);
  expect(found[0]!.message).toContain('"<|turn|>"');
});

test('the first control token in a row’s own text, with its place', () => {
  const check = contentChecker(tokenizer);
  expect(check('plain <|nothing|>')).toBeUndefined();
  expect(check('a<|im_end|>b</s>')).toMatchObject({
    at: 1,
    message: expect.stringContaining(`control token ${end}`),
  });
  expect(check('</s>')?.at).toBe(0);
});

test('replies without a stop token learn the end of text where the next turn begins', () => {
  const bare = templateOf(chatml("{{ message.content + '\n' }}"));
  expect(bare.efficientEos).toBe(end);
  expect(codes(bare)).toEqual([]);
});

test('a last reply that is written without its stop token is taught it', () => {
  const source = chatml(
    "{{ message.content }}{% if not loop.last %}{{ '<|im_end|>\n' }}{% endif %}",
  );
  const messages = ['a', 'b', 'c', 'd'].map((content, i) => ({
    role: i % 2 === 0 ? ('user' as const) : ('assistant' as const),
    content,
  }));
  for (const { target, learned } of templateOf(source).encode({ messages, system: '', tools: '' }))
    expect(target[learned - 1]).toBe(end);
});
