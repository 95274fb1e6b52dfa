/** @file ERNIE 4.5. */
import { defineTemplate, type NamedTemplate } from './template.ts';

export const ernie: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'ernie',
    system: ['<|im_start|>system\n{{content}}<|im_end|>\n\n'],
    user: ['<|im_start|>user\n{{content}}<|im_end|>\n\n<|im_start|>assistant\n'],
    assistant: ['{{content}}<|im_end|>\n\n'],
    observation: ['<|im_start|>tool\n{{content}}<|im_end|>\n\n<|im_start|>assistant\n'],
    defaultSystem: '<global_setting>\nthink_mode=True\n</global_setting>',
    stopWords: ['<|im_end|>'],
  }),
  defineTemplate({
    name: 'ernie_nothink',
    prefix: ['<|begin_of_sentence|>'],
    system: ['{{content}}\n'],
    user: ['User: {{content}}\nAssistant: '],
    assistant: ['{{content}}<|end_of_sentence|>'],
    stopWords: ['<|end_of_sentence|>'],
  }),
  defineTemplate({
    name: 'ernie_vl',
    system: ['{{content}}\n'],
    user: ['User: {{content}}'],
    assistant: ['\nAssistant: {{content}}<|end_of_sentence|>'],
    stopWords: ['<|end_of_sentence|>'],
    replaceEos: true,
    replaceJinja: true,
    thinking: 'both-words',
    media: 'ernie_vl',
  }),
];
