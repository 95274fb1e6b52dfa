/** @file Qwen 1.5, 2 and 2.5: ChatML with tool results in the user's turn. */
import { defineTemplate } from './template.ts';

export const qwen = defineTemplate({
  name: 'qwen',
  system: ['<|im_start|>system\n{{content}}<|im_end|>\n'],
  user: ['<|im_start|>user\n{{content}}<|im_end|>\n<|im_start|>assistant\n'],
  assistant: ['{{content}}<|im_end|>\n'],
  observation: [
    '<|im_start|>user\n<tool_response>\n{{content}}\n</tool_response><|im_end|>\n<|im_start|>assistant\n',
  ],
  tools: 'qwen',
  defaultSystem: 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.',
  stopWords: ['<|im_end|>'],
  replaceEos: true,
});
