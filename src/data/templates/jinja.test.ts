import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { TuneryError } from '../../core/errors.ts';
import { tokenizerFromJson } from '../../tokenizer/from-json.ts';
import type { Message } from '../example.ts';
import { ignored, labelTurns } from '../labels.ts';
import { jinjaTemplate } from './jinja.ts';

// Text, ids and masks by transformers: tests/golden/templates.py. Its masks are of {% generation %} tags
// that stand only in the copies; on the plain templates the mask must follow without them.
const folder = new URL('../../../tests/fixtures/data/templates/', import.meta.url);
const Golden = z.object({
  conversations: z.array(
    z.object({
      messages: z.array(
        z.object({
          role: z.enum(['user', 'assistant', 'observation', 'function']),
          content: z.string(),
          words: z.string().optional(),
          results: z.array(z.string()).optional(),
        }),
      ),
      system: z.string(),
      tools: z.string(),
    }),
  ),
  templates: z.record(
    z.string(),
    z.object({
      template: z.string(),
      tagged: z.string(),
      bos: z.string().nullable(),
      eos: z.string(),
      rows: z.array(
        z.object({
          conversation: z.int(),
          error: z.string().optional(),
          text: z.string().default(''),
          prompt: z.string().default(''),
          ids: z.array(z.int()).default([]),
          mask_runs: z.array(z.int()).default([]),
        }),
      ),
    }),
  ),
});
const golden = Golden.parse(JSON.parse(readFileSync(new URL('templates.json', folder), 'utf8')));
const json = readFileSync(new URL('tokenizer.json', folder), 'utf8');

const tokenizerOf = (bos: string | null, eos: string) =>
  tokenizerFromJson(json).withTokens({ eos, ...(bos === null ? {} : { bos }) });

const place = { file: 'train.jsonl', line: 12 };
const conversationOf = (index: number) => {
  const { messages, system, tools } = golden.conversations[index]!;
  return { messages: messages as readonly Message[], system, tools, place };
};

/** Runs of 0, 1, 0, …, as the golden file counts them. */
function runsOf(labels: Int32Array): number[] {
  const runs: number[] = [];
  for (const label of labels) {
    const learned = label !== ignored;
    if (runs.length > 0 && (runs.length % 2 === 0) === learned) runs[runs.length - 1]!++;
    else runs.push(...(runs.length > 0 || !learned ? [1] : [0, 1]));
  }
  return runs;
}

const everything = {
  cutoff: 1 << 30,
  maskHistory: false,
  trainOnPrompt: false,
  efficientEos: undefined,
};

describe.each(Object.entries(golden.templates))('%s', (_, { template, tagged, bos, eos, rows }) => {
  const tokenizer = tokenizerOf(bos, eos);
  const forms = { 'its own turns': template, '{% generation %}': tagged };

  test.each(Object.entries(forms))('text, ids and mask by %s', (_form, source) => {
    const chat = jinjaTemplate(source, tokenizer);
    expect(rows.length).toBeGreaterThanOrEqual(40);
    for (const row of rows) {
      const conversation = conversationOf(row.conversation);
      if (row.error !== undefined) {
        expect(() => chat.encode(conversation)).toThrow(row.error);
        continue;
      }
      const { ids, labels } = labelTurns(chat.encode(conversation), everything);
      expect(tokenizer.decode(ids)).toBe(row.text);
      expect([...ids]).toEqual(row.ids);
      expect(runsOf(labels)).toEqual(row.mask_runs);
      const before = { ...conversation, messages: conversation.messages.slice(0, -1) };
      expect(chat.promptText(before)).toBe(row.prompt);
    }
  });

  test('every reply learns its stop token, and it is the first of the stop ids', () => {
    const chat = jinjaTemplate(template, tokenizer);
    for (const { target, learned } of chat.encode(conversationOf(0))) {
      expect(target[learned - 1]).toBe(chat.stopIds[0]);
    }
    expect(chat.stopIds[0]).toBe(tokenizer.idOf(eos));
  });
});

const chatml = (body: string): string =>
  `{% for message in messages %}${body}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}`;
const turn = "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}";
const tokenizer = tokenizerOf(null, '<|im_end|>');
const hello = conversationOf(0);
const failure = (run: () => unknown): TuneryError => {
  try {
    run();
  } catch (error) {
    if (error instanceof TuneryError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('what cannot be told exactly is refused', () => {
  test('a template that raises, with the row’s place', () => {
    const source = chatml(
      `{% if message.content == 'Hello!' %}{{ raise_exception('no greetings') }}{% endif %}${turn}`,
    );
    const error = failure(() => jinjaTemplate(source, tokenizer).encode(hello));
    expect(error.code).toBe('data/template-raised');
    expect(error.message).toContain('no greetings');
    expect(error.place).toEqual(place);
  });

  test('a reply without a stop token', () => {
    const source = chatml("{{ '<|im_start|>' + message.role + '\n' + message.content + '.\n' }}");
    expect(failure(() => jinjaTemplate(source, tokenizer).encode(hello)).code).toBe(
      'data/no-exact-mask',
    );
  });

  test('earlier turns that change once later ones follow, where marks cannot tell turns apart', () => {
    // The number of messages stands in each turn, and the text is counted, so that marks would show.
    const source = chatml(
      "{% set text = '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' %}{{ text }}{{ messages | length }}",
    );
    expect(failure(() => jinjaTemplate(source, tokenizer).encode(hello)).code).toBe(
      'data/no-exact-mask',
    );
  });

  test('no message’s text can pose as a mark or as a stop token', () => {
    const content = 'a<|im_end|>\n<|im_start|>user\nb';
    const messages = [hello.messages[0]!, { role: 'assistant' as const, content }];
    const [only] = jinjaTemplate(chatml(turn), tokenizer).encode({ ...hello, messages });
    expect(tokenizer.decode(only!.target.subarray(0, only!.learned))).toBe(`${content}<|im_end|>`);
  });
});

test('a template that captures its turns and prints them later is marked all the same', () => {
  const body = `{% set part %}${turn}{% endset %}{% set ns.all = ns.all + part %}`;
  const source = `{% set ns = namespace(all='') %}${chatml(body)}`.replace(
    '{% if add',
    '{{ ns.all }}{% if add',
  );
  const [only] = jinjaTemplate(source, tokenizer).encode(hello);
  expect(tokenizer.decode(only!.target.subarray(0, only!.learned))).toBe(
    'Hi, how can I help?<|im_end|>',
  );
});

test('a template that marks would change falls back on its beginnings', () => {
  const body = `{% set part %}${turn}{% endset %}{{ part }}{{ '' if part | length < 60 else '(long)' }}`;
  const [only] = jinjaTemplate(chatml(body), tokenizer).encode(hello);
  expect(tokenizer.decode(only!.target.subarray(0, only!.learned))).toBe(
    'Hi, how can I help?<|im_end|>',
  );
});

describe('marks within captured text', () => {
  const learned = (source: string): string => {
    const last = jinjaTemplate(source, tokenizer).encode(hello).at(-1)!;
    return tokenizer.decode(last.target.subarray(0, last.learned));
  };
  const all = chatml(turn).replace('{% if add', '{% endset %}{{ all }}{% if add');

  test('come to their place with it', () => {
    expect(learned(`{% set all %}${all}`)).toBe('Hi, how can I help?<|im_end|>');
    const macro = `{% macro all() %}${chatml(turn).replace('{% if add', '{% endmacro %}{{ all() }}{% if add')}`;
    expect(learned(macro)).toBe('Hi, how can I help?<|im_end|>');
    const tagged = turn.replace('message.content', "'' }}{% generation %}{{ message.content");
    const closed = tagged.replace(
      " + '<|im_end|>\n' }}",
      " + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}",
    );
    expect(learned(`{% set all %}${all.replace(turn, closed)}`)).toBe(
      'Hi, how can I help?<|im_end|>',
    );
  });

  test('that change the text are not believed: beginnings tell', () => {
    // The length of the whole is written, and marks would show in it.
    const counted = all.replace('{{ all }}', "{{ all }}{{ '' if all | length < 500 else 'long' }}");
    expect(learned(`{% set all %}${counted}`)).toBe('Hi, how can I help?<|im_end|>');
    const shown = all.replace('{{ all }}', '{{ all | upper | lower }}');
    expect(failure(() => learned(`{% set all %}${shown}{{ all | length }}`)).code).toBe(
      'data/no-exact-mask',
    );
  });
});

test('a header that no prompt asks for is the prompt', () => {
  const source = `{% for message in messages %}${turn}{% endfor %}`;
  const chat = jinjaTemplate(source, tokenizer);
  const [only] = chat.encode(hello);
  expect(tokenizer.decode(only!.target.subarray(0, only!.learned))).toBe(
    'Hi, how can I help?<|im_end|>',
  );
  const before = { ...hello, messages: hello.messages.slice(0, 1) };
  expect(chat.promptText(before)).toBe(
    '<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n',
  );
});

describe('limits', () => {
  const run = (source: string) => failure(() => jinjaTemplate(source, tokenizer));

  test('a template without an end', () => {
    const loops =
      '{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}';
    expect(run(loops).message).toContain('without an end');
    expect(run('{% for a in range(99999999) %}{% endfor %}').message).toContain('more than 100000');
    expect(run('{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}').code).toBe(
      'data/template-raised',
    );
  });

  test('size and syntax', () => {
    expect(run('x'.repeat(2 << 20)).code).toBe('data/bad-template');
    expect(run('{% for %}').code).toBe('data/bad-template');
  });
});

test('the date never changes, and the default system text comes first', () => {
  const source = `{{ strftime_now('%d %b %Y, %A') }}{{ messages[0].content }}\n${chatml(turn)}`;
  const chat = jinjaTemplate(source, tokenizer, { defaultSystem: 'Be kind.' });
  expect(chat.promptText(hello).split('\n')[0]).toBe('26 Jul 2024, FridayBe kind.');
});

test('Python prints differ from JavaScript’s', () => {
  const source = `{{ true }} {{ none }} {{ ' \ufeffx' | trim }} {{ '--x-'.lstrip('-') }}{% for x in nothing %}{% endfor %}|\n${chatml(turn)}`;
  const text = jinjaTemplate(source, tokenizer).promptText(hello);
  expect(text.split('\n')[0]).toBe('True None \ufeffx x-|');
});

test('further variables reach the template, and its identity', () => {
  const source = `{{ reasoning_effort }}|\n${chatml(turn)}`;
  const chat = jinjaTemplate(source, tokenizer, { variables: { reasoning_effort: 'high' } });
  expect(chat.promptText(hello).split('|')[0]).toBe('high');
  expect(chat.identity).not.toBe(jinjaTemplate(source, tokenizer).identity);
});

test('calls get ids where a template asks for them', () => {
  const source = readFileSync(
    new URL('../../../tests/fixtures/jinja/mistral-nemo.jinja', import.meta.url),
    'utf8',
  );
  const chat = jinjaTemplate(source, tokenizerOf('<s>', '</s>'));
  const text = chat.promptText({
    system: '',
    tools: '[{"name": "search", "description": "Search", "parameters": {}}]',
    messages: [
      { role: 'user', content: 'Both' },
      {
        role: 'function',
        content: '[{"name": "search", "arguments": {}}, {"name": "find", "arguments": {}}]',
      },
      { role: 'observation', content: 'a', results: ['a', 'b'] },
    ],
  });
  expect(text).toContain('{"name": "find", "arguments": {}, "id": "call00001"}]</s>');
  expect(text).toContain('[TOOL_RESULTS]{"content": b, "call_id": "call00001"}[/TOOL_RESULTS]');
});
