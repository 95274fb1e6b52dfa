/** @file Mistral, Ministral, Mistral Small and Pixtral: tokenizers before and after v3 differ in a space. */
import { bos, defineTemplate, eos, type NamedTemplate } from './template.ts';

export const mistralTurns = {
  prefix: [bos],
  system: ['{{content}}\n\n'],
  systemPlace: 'user',
  user: ['[INST] {{content}}[/INST]'],
  assistant: [' {{content}}', eos],
  observation: ['[TOOL_RESULTS] {"content": {{content}}}[/TOOL_RESULTS]'],
  function: ['[TOOL_CALLS] {{content}}', eos],
  tools: 'mistral',
} satisfies Partial<NamedTemplate>;

const ministralTurns = {
  prefix: [bos],
  system: ['{{content}}\n\n'],
  systemPlace: 'user',
  user: ['[INST]{{content}}[/INST]'],
  observation: ['[TOOL_RESULTS]{"content": {{content}}}[/TOOL_RESULTS]'],
  function: ['[TOOL_CALLS]{{content}}', eos],
  tools: 'mistral',
} satisfies Partial<NamedTemplate>;

export const mistral: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'mistral',
    ...mistralTurns,
  }),
  defineTemplate({
    name: 'ministral',
    ...ministralTurns,
  }),
  defineTemplate({
    name: 'ministral3',
    ...ministralTurns,
    media: 'pixtral',
  }),
  defineTemplate({
    name: 'mistral_small',
    ...ministralTurns,
    system: ['[SYSTEM_PROMPT]{{content}}[/SYSTEM_PROMPT]'],
    systemPlace: 'own',
    media: 'pixtral',
  }),
  defineTemplate({
    name: 'pixtral',
    ...ministralTurns,
    media: 'pixtral',
  }),
];
