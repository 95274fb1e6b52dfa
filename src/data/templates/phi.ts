/** @file Phi 3, 3 small, 4 and 4 mini. */
import { defineTemplate, type NamedTemplate } from './template.ts';

const phiTurns = {
  system: ['<|system|>\n{{content}}<|end|>\n'],
  user: ['<|user|>\n{{content}}<|end|>\n<|assistant|>\n'],
  assistant: ['{{content}}<|end|>\n'],
  stopWords: ['<|end|>'],
  replaceEos: true,
} satisfies Partial<NamedTemplate>;

export const phi: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'phi',
    ...phiTurns,
  }),
  defineTemplate({
    name: 'phi4',
    system: ['<|im_start|>system<|im_sep|>{{content}}<|im_end|>'],
    user: ['<|im_start|>user<|im_sep|>{{content}}<|im_end|><|im_start|>assistant<|im_sep|>'],
    assistant: ['{{content}}<|im_end|>'],
    stopWords: ['<|im_end|>'],
    replaceEos: true,
  }),
  defineTemplate({
    name: 'phi4_mini',
    system: ['<|system|>{{content}}<|end|>'],
    user: ['<|user|>{{content}}<|end|><|assistant|>'],
    assistant: ['{{content}}<|end|>'],
    toolsText: '<|tool|>{{content}}<|/tool|>',
    stopWords: ['<|end|>'],
    replaceEos: true,
  }),
  defineTemplate({
    name: 'phi_small',
    ...phiTurns,
    prefix: [{ unwritten: '<|endoftext|>' }],
  }),
];
