/** @file SmolLM 1 to 3. */
import { chatmlTurns } from './chatml.ts';
import { defineTemplate, type NamedTemplate } from './template.ts';

export const smollm: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'smollm',
    ...chatmlTurns,
  }),
  defineTemplate({
    name: 'smollm2',
    ...chatmlTurns,
    defaultSystem: 'You are a helpful AI assistant named SmolLM, trained by Hugging Face.',
  }),
];
