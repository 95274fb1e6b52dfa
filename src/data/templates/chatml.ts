/** @file ChatML, and the turns that many families took over from it. */
import { defineTemplate, type NamedTemplate } from './template.ts';

const reply = '<|im_start|>assistant\n';
const turn = (role: string): string => `<|im_start|>${role}\n{{content}}<|im_end|>\n`;

export const chatmlTurns = {
  system: [turn('system')],
  user: [turn('user') + reply],
  assistant: ['{{content}}<|im_end|>\n'],
  stopWords: ['<|im_end|>'],
} satisfies Partial<NamedTemplate>;

/** Results of tools in a turn of their own. */
export const toolTurn = [turn('tool') + reply];

/** Results of tools in the user's turn. */
export const toolResponse = [
  turn('user').replace('{{content}}', '<tool_response>\n{{content}}\n</tool_response>') + reply,
];

export const chatml: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'chatml',
    ...chatmlTurns,
    observation: toolTurn,
    stopWords: ['<|im_end|>', '<|im_start|>'],
    replaceEos: true,
    replaceJinja: true,
  }),
  defineTemplate({
    name: 'chatml_de',
    ...chatmlTurns,
    observation: toolTurn,
    defaultSystem: 'Du bist ein freundlicher und hilfsbereiter KI-Assistent.',
    stopWords: ['<|im_end|>', '<|im_start|>'],
    replaceEos: true,
    replaceJinja: true,
  }),
];
