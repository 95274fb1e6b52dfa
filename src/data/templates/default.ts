/** @file `default`: `Human:` and `Assistant:`, for base models that know no chat tokens. */
import { defineTemplate, eos } from './template.ts';

export const plain = defineTemplate({
  name: 'default',
  system: ['System: {{content}}', eos, '\n'],
  user: ['Human: {{content}}', eos, '\nAssistant:'],
  assistant: ['{{content}}', eos, '\n'],
  replaceJinja: true,
});
