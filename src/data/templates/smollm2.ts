/** @file SmolLM2: ChatML with its own system text. */
import { defineTemplate } from './template.ts';

export const smollm2 = defineTemplate({
  name: 'smollm2',
  system: ['<|im_start|>system\n{{content}}<|im_end|>\n'],
  user: ['<|im_start|>user\n{{content}}<|im_end|>\n<|im_start|>assistant\n'],
  assistant: ['{{content}}<|im_end|>\n'],
  defaultSystem: 'You are a helpful AI assistant named SmolLM, trained by Hugging Face.',
  stopWords: ['<|im_end|>'],
});
