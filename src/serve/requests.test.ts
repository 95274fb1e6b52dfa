import { describe, expect, test } from 'vitest';
import { openTemplate } from '../data/open-template.ts';
import type { GenerateSettings } from '../generate/settings.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { ChatBody, CompletionBody } from './bodies.ts';
import { chatRequest, completionRequests, parseBody, type ServedTalk } from './requests.ts';

const settings: GenerateSettings = {
  do_sample: true,
  temperature: 0.95,
  top_p: 0.7,
  top_k: 50,
  min_p: 0,
  num_beams: 1,
  max_new_tokens: 77,
  max_length: 1024,
  repetition_penalty: 1.1,
  skip_special_tokens: true,
};

function talkOf(template: string | undefined, changes: Partial<GenerateSettings> = {}): ServedTalk {
  const tokenizer = byteTokenizer();
  return {
    session: {
      about: { model: 'x', adapters: [], dtype: 'f32', context_length: null },
      // biome-ignore lint/correctness/useYield: nothing is generated here.
      async *generate() {
        return [];
      },
      score: async () => [],
      close: async () => {},
    },
    template:
      template === undefined
        ? undefined
        : openTemplate({ name: template, jinja: undefined, tokenizer }).template,
    tokenizer,
    settings: { ...settings, ...changes },
    stopIds: [7],
  };
}

const textOf = (ids: Int32Array): string => byteTokenizer().decode(ids);
const chat = (talk: ServedTalk, body: object) =>
  chatRequest(
    talk,
    parseBody(ChatBody, { model: 'm', messages: [{ role: 'user', content: 'Hi' }], ...body }),
  );
const tool = {
  type: 'function',
  function: { name: 'weather', description: 'Tells it.', parameters: { type: 'object' } },
};

describe('a chat request', () => {
  test('is drawn as the settings say, where it does not', () => {
    const { sampling, max_new_tokens, stop_ids } = chat(talkOf('qwen'), {});
    expect(sampling).toEqual({
      temperature: 0.95,
      top_p: 0.7,
      top_k: 50,
      min_p: 0,
      repetition_penalty: 1.1,
    });
    expect(max_new_tokens).toBe(77);
    expect([...stop_ids]).toEqual([byteTokenizer().eos?.id]);
    expect(chat(talkOf('qwen', { do_sample: false }), {}).sampling.temperature).toBe(0);
  });

  test('has the last word', () => {
    const own = { temperature: 0, top_p: 1, top_k: 0, min_p: 0.1, repetition_penalty: 1 };
    const asked = chat(talkOf('qwen'), {
      ...own,
      max_tokens: 5,
      max_completion_tokens: 6,
      seed: -9,
    });
    expect(asked).toMatchObject({ sampling: own, max_new_tokens: 6, seed: 9 });
    expect(chat(talkOf('qwen'), { max_tokens: 5, stop: 'x' })).toMatchObject({
      max_new_tokens: 5,
      stop: ['x'],
    });
    expect(
      chat(talkOf('qwen', { do_sample: false }), { temperature: 0.5 }).sampling.temperature,
    ).toBe(0.5);
  });

  test('without a seed is drawn anew each time', () => {
    const seeds = Array.from({ length: 5 }, () => chat(talkOf('qwen'), {}).seed);
    expect(new Set(seeds).size).toBe(5);
  });

  test('shows its tools, calls and results to a template that takes them', () => {
    const call = {
      id: '1',
      type: 'function',
      function: { name: 'weather', arguments: '{"at": "Oslo"}' },
    };
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Rain?' },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: '1', content: 'yes' },
    ];
    const text = textOf(chat(talkOf('qwen'), { messages, tools: [tool] }).ids);
    expect(text).toContain('<|im_start|>system\nBe brief.');
    expect(text).toContain('"name": "weather"');
    expect(text).toContain('Oslo');
    expect(text).toMatch(/<tool_response>\nyes\n<\/tool_response>.*<\|im_start\|>assistant\n$/s);
    const without = textOf(chat(talkOf('qwen'), { tools: [tool], tool_choice: 'none' }).ids);
    expect(without).not.toContain('weather');
  });

  test('goes to a model without a template in vain', () => {
    expect(() => chat(talkOf(undefined), {})).toThrow('use /v1/completions');
  });
});

describe('a completion request', () => {
  const completion = (prompt: unknown) =>
    completionRequests(talkOf(undefined), parseBody(CompletionBody, { model: 'm', prompt })).map(
      ({ ids }) => [...ids],
    );

  test('is a text, tokens, or several of either', () => {
    expect(completion('ab')).toEqual([[97, 98]]);
    expect(completion(['ab', 'c'])).toEqual([[97, 98], [99]]);
    expect(completion([97, 98])).toEqual([[97, 98]]);
    expect(completion([[97], [98]])).toEqual([[97], [98]]);
    expect(() => completion([])).toThrow(/prompt/);
    expect(() => completion([97, 'b'])).toThrow(/prompt/);
    expect(() => completion(undefined)).toThrow(/prompt/);
  });

  test('stops where the model does', () => {
    const [{ stop_ids }] = completionRequests(
      talkOf(undefined),
      parseBody(CompletionBody, { model: 'm', prompt: 'x', logprobs: null, echo: false }),
    );
    expect(stop_ids).toEqual([7]);
  });
});
