/** @file Templates that belong to no model: `default`, `empty` and `fewshot` for base models, and Alpaca’s. */
import { defineTemplate, eos, type NamedTemplate } from './template.ts';

export const plain: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'alpaca',
    user: ['### Instruction:\n{{content}}\n\n### Response:\n'],
    assistant: ['{{content}}', eos, '\n\n'],
    defaultSystem:
      'Below is an instruction that describes a task. Write a response that appropriately ' +
      'completes the request.\n\n',
    replaceJinja: true,
  }),
  defineTemplate({
    name: 'default',
    system: ['System: {{content}}', eos, '\n'],
    user: ['Human: {{content}}', eos, '\nAssistant:'],
    assistant: ['{{content}}', eos, '\n'],
    replaceJinja: true,
  }),
  defineTemplate({
    name: 'empty',
    assistant: ['{{content}}'],
  }),
  defineTemplate({
    name: 'fewshot',
    assistant: ['{{content}}\n\n'],
    efficientEos: true,
    replaceJinja: true,
  }),
];
