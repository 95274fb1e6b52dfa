/** @file ChatML, the form of Qwen, Yi, SmolLM and many others, with no system text of its own. */
import { defineTemplate } from './template.ts';

export const chatml = defineTemplate({
  name: 'chatml',
  system: ['<|im_start|>system\n{{content}}<|im_end|>\n'],
  user: ['<|im_start|>user\n{{content}}<|im_end|>\n<|im_start|>assistant\n'],
  assistant: ['{{content}}<|im_end|>\n'],
  observation: ['<|im_start|>tool\n{{content}}<|im_end|>\n<|im_start|>assistant\n'],
  stopWords: ['<|im_end|>', '<|im_start|>'],
  replaceEos: true,
  replaceJinja: true,
});
