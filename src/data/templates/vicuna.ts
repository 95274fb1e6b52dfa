/** @file Vicuna: `USER:` and `ASSISTANT:`. */
import { defineTemplate, type NamedTemplate } from './template.ts';

export const vicunaTurns = {
  user: ['USER: {{content}} ASSISTANT:'],
  defaultSystem:
    'A chat between a curious user and an artificial intelligence assistant. The ' +
    "assistant gives helpful, detailed, and polite answers to the user's questions.",
} satisfies Partial<NamedTemplate>;

export const vicuna: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'vicuna',
    ...vicunaTurns,
    replaceJinja: true,
  }),
];
