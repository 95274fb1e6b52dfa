/** @file Granite 3 and 4. */
import { defineTemplate, type NamedTemplate } from './template.ts';

const graniteTurns = {
  system: ['<|start_of_role|>system<|end_of_role|>{{content}}<|end_of_text|>\n'],
  user: [
    '<|start_of_role|>user<|end_of_role|>{{content}}<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>',
  ],
  assistant: ['{{content}}<|end_of_text|>\n'],
} satisfies Partial<NamedTemplate>;

export const granite: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'granite3',
    ...graniteTurns,
  }),
  defineTemplate({
    name: 'granite3_vision',
    system: ['<|system|>\n{{content}}\n'],
    user: ['<|user|>\n{{content}}\n<|assistant|>\n'],
    defaultSystem:
      'A chat between a curious user and an artificial intelligence assistant. The ' +
      "assistant gives helpful, detailed, and polite answers to the user's questions.",
    media: 'llava_next',
  }),
  defineTemplate({
    name: 'granite4',
    ...graniteTurns,
    observation: [
      '<|start_of_role|>tool<|end_of_role|>{{content}}<|end_of_text|>\n<|start_of_role|>assistant\n',
    ],
    defaultSystem: 'You are Granite, developed by IBM. You are a helpful AI assistant.',
    stopWords: ['<|end_of_text|>'],
  }),
];
