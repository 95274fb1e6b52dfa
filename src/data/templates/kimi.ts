/** @file Moonlight and Kimi-VL. */
import { defineTemplate, type NamedTemplate } from './template.ts';

const kimiTurns = {
  system: ['<|im_system|>system<|im_middle|>{{content}}<|im_end|>'],
  user: ['<|im_user|>user<|im_middle|>{{content}}<|im_end|><|im_assistant|>assistant<|im_middle|>'],
  assistant: ['{{content}}<|im_end|>'],
  stopWords: ['<|im_end|>'],
} satisfies Partial<NamedTemplate>;

export const kimi: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'kimi_vl',
    ...kimiTurns,
    defaultSystem: 'You are a helpful assistant',
    thinking: 'both-words',
    thoughtWords: ['◁think▷', '◁/think▷'],
    media: 'kimi_vl',
  }),
  defineTemplate({
    name: 'moonlight',
    ...kimiTurns,
    defaultSystem: 'You are a helpful assistant provided by Moonshot-AI.',
    replaceEos: true,
  }),
];
