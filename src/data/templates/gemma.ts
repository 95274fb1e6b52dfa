/** @file Gemma 1 to 4 and PaliGemma. Up to Gemma 3 the system text stands in the first user’s turn. */
import { bos, defineTemplate, type NamedTemplate } from './template.ts';

const reply = '<start_of_turn>model\n';

const gemmaTurns = {
  prefix: [bos],
  system: ['{{content}}\n\n'],
  systemPlace: 'user',
  user: [`<start_of_turn>user\n{{content}}<end_of_turn>\n${reply}`],
  assistant: ['{{content}}<end_of_turn>\n'],
  observation: [`<start_of_turn>tool\n{{content}}<end_of_turn>\n${reply}`],
} satisfies Partial<NamedTemplate>;

const gemma4Turns = {
  prefix: [bos],
  system: ['<|turn>system\n<|think|>{{content}}<turn|>\n'],
  user: ['<|turn>user\n{{content}}<turn|>\n<|turn>model\n'],
  assistant: ['{{content}}<turn|>\n'],
  observation: ['<|turn>tool\n{{content}}<turn|>\n<|turn>model\n'],
  function: ['<|tool>{{content}}<tool|>'],
  tools: 'gemma4',
  defaultSystem: 'You are a helpful assistant.',
  stopWords: ['<turn|>'],
  replaceEos: true,
  thinking: 'both-words',
  thoughtWords: ['<|channel>thought\n', '<channel|>'],
  media: 'gemma4',
} satisfies Partial<NamedTemplate>;

export const gemma: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'gemma',
    ...gemmaTurns,
    stopWords: ['<end_of_turn>'],
    replaceEos: true,
  }),
  defineTemplate({
    name: 'gemma2',
    ...gemmaTurns,
    stopWords: ['<eos>', '<end_of_turn>'],
    efficientEos: true,
  }),
  defineTemplate({
    name: 'gemma3',
    ...gemmaTurns,
    stopWords: ['<end_of_turn>'],
    replaceEos: true,
    media: 'gemma3',
  }),
  defineTemplate({
    name: 'gemma3n',
    ...gemmaTurns,
    stopWords: ['<end_of_turn>'],
    replaceEos: true,
    media: 'gemma3n',
  }),
  defineTemplate({
    name: 'gemma4',
    ...gemma4Turns,
  }),
  defineTemplate({
    name: 'gemma4n',
    ...gemma4Turns,
  }),
  defineTemplate({
    name: 'paligemma',
    prefix: [bos],
    systemPlace: 'user',
    user: ['{{content}}\n'],
    media: 'paligemma',
  }),
  defineTemplate({
    name: 'paligemma_chat',
    ...gemmaTurns,
    system: ['{{content}}'],
    stopWords: ['<end_of_turn>'],
    replaceEos: true,
    media: 'paligemma',
  }),
];
