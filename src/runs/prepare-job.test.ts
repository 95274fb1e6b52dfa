import { expect, test } from 'vitest';
import { dataSettings } from '../../tests/parity/settings.ts';
import type { DataSettings } from '../data/settings.ts';
import { openModel } from '../models/source.ts';
import { openJobTemplate } from './prepare-job.ts';

const source = await openModel(
  'random:llama?hidden_size=32&intermediate_size=64&num_hidden_layers=1&num_attention_heads=2',
);
const tokenizer = source.tokenizer();

/** What a conversation with thoughts becomes, with the settings of a file. */
function turns(settings: Partial<DataSettings>): readonly (readonly [string, string])[] {
  const data = dataSettings({ template: 'qwen3', ...settings });
  const { template } = openJobTemplate({ data, method: { stage: 'sft' } }, source)!;
  const messages = [
    { role: 'user', content: 'q1' },
    { role: 'assistant', content: '<think>\nx\n</think>\n\na1' },
    { role: 'user', content: 'q2' },
    { role: 'function', content: '{"name": "f", "arguments": {}}' },
  ] as const;
  return template
    .encode({ messages, system: '', tools: '' })
    .map(({ source: prompt, target }) => [tokenizer.decode(prompt), tokenizer.decode(target)]);
}

const empty = '<think>\n\n</think>\n\n';

test('enable_thinking reaches a named template', () => {
  const [[, kept] = [], [, filled] = []] = turns({});
  expect(kept).toBe('<think>\nx\n</think>\n\na1<|im_end|>\n');
  expect(filled?.startsWith(empty)).toBe(true);

  const [[asked, without] = []] = turns({ enable_thinking: false });
  expect(asked?.endsWith(empty)).toBe(true);
  expect(without).toBe('a1<|im_end|>\n');

  const [[left] = [], [added] = []] = turns({ enable_thinking: null });
  expect(left?.endsWith('assistant\n')).toBe(true);
  expect(added?.endsWith(empty)).toBe(true);
});

test('mask_history takes earlier thoughts out, unless preserve_thinking keeps them', () => {
  expect(turns({ mask_history: true })[0]?.[1]).toBe('a1<|im_end|>\n');
  const kept = turns({ mask_history: true, preserve_thinking: true });
  expect(kept[0]?.[1]).toContain('<think>\nx');
});

test('tool_format writes calls in another form', () => {
  expect(turns({})[1]?.[1]).toContain('<tool_call>\n{"name": "f"');
  expect(turns({ tool_format: 'mistral' })[1]?.[1]).toContain('[{"name": "f", "arguments": {}}]');
});

test('train_on_prompt is refused where the stop token is learned on the prompt', () => {
  expect(() => turns({ template: 'falcon', train_on_prompt: true })).toThrow(
    expect.objectContaining({ code: 'data/prompt-not-learned' }),
  );
  expect(turns({ template: 'falcon' })).toHaveLength(2);
});

test('default_system may be empty', () => {
  expect(turns({ template: 'qwen' })[0]?.[0]).toContain('You are Qwen');
  expect(turns({ template: 'qwen', default_system: '' })[0]?.[0]).not.toContain('system');
});
