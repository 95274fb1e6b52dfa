/** @file Ling and Ring (Bailing). */
import { defineTemplate, type NamedTemplate } from './template.ts';

export const bailing: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'bailing',
    system: ['<role>SYSTEM</role>{{content}}'],
    user: ['<role>HUMAN</role>{{content}}<role>ASSISTANT</role>'],
    observation: ['<role>OBSERVATION</role>{{content}}<role>ASSISTANT</role>'],
    stopWords: ['<|endoftext|>'],
    efficientEos: true,
  }),
  defineTemplate({
    name: 'bailing_v2',
    system: ['<role>SYSTEM</role>{{content}}<|role_end|>'],
    user: ['<role>HUMAN</role>{{content}}<|role_end|><role>ASSISTANT</role>'],
    assistant: ['{{content}}<|role_end|>'],
    observation: [
      '<role>OBSERVATION</role>\n<tool_response>\n{{content}}\n</tool_response><|role_end|><role>ASSISTANT</role>',
    ],
    tools: 'ling',
    stopWords: ['<|endoftext|>'],
    efficientEos: true,
  }),
];
