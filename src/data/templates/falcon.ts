/** @file Falcon and Falcon-H1. */
import { chatmlTurns, toolTurn } from './chatml.ts';
import { bos, defineTemplate, type NamedTemplate } from './template.ts';

export const falcon: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'falcon',
    user: ['User: {{content}}\nFalcon:'],
    assistant: ['{{content}}\n'],
    efficientEos: true,
  }),
  defineTemplate({
    name: 'falcon_h1',
    ...chatmlTurns,
    prefix: [bos],
    observation: toolTurn,
    stopWords: ['<|im_end|>', '<|end_of_text|>'],
  }),
];
