/** @file Youtu-LLM and Youtu-VL. */
import { bos, defineTemplate, type NamedTemplate } from './template.ts';

export const youtu: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'youtu',
    prefix: [bos],
    user: ['<|User|>{{content}}<|Assistant|>'],
    assistant: ['{{content}}<|end_of_text|>'],
    observation: ['<tool_response>\n{{content}}\n</tool_response><|Assistant|>'],
    function: ['{{content}}'],
    stopWords: ['<|end_of_text|>'],
    replaceEos: true,
    thinking: 'both-words',
  }),
  defineTemplate({
    name: 'youtu_vl',
    system: ['<|begin_of_text|>system\n{{content}}<|end_of_text|>\n'],
    user: ['<|begin_of_text|>user\n{{content}}<|end_of_text|>\n<|begin_of_text|>assistant\n'],
    assistant: ['{{content}}<|end_of_text|>\n'],
    defaultSystem: 'You are a helpful assistant.',
    stopWords: ['<|end_of_text|>'],
    media: 'youtu_vl',
  }),
];
