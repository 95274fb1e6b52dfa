/** @file MiniMax M1 and M2. */
import { defineTemplate, type NamedTemplate } from './template.ts';

export const minimax: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'minimax1',
    system: ['<beginning_of_sentence>system ai_setting=assistant\n{{content}}<end_of_sentence>\n'],
    user: [
      '<beginning_of_sentence>user name=user\n{{content}}<end_of_sentence>\n<beginning_of_sentence>ai name=assistant\n',
    ],
    assistant: ['{{content}}<end_of_sentence>\n'],
    observation: [
      '<beginning_of_sentence>tool name=tools\n{{content}}<end_of_sentence>\n<beginning_of_sentence>ai name=assistant\n',
    ],
    tools: 'minimax1',
    defaultSystem: 'You are a helpful assistant.',
    stopWords: ['<end_of_sentence>'],
  }),
  defineTemplate({
    name: 'minimax2',
    system: [']~!b[]~b]system\n{{content}}[e~[\n'],
    user: [']~b]user\n{{content}}[e~[\n]~b]ai\n'],
    assistant: ['{{content}}[e~[\n'],
    observation: [']~b]tool\n<response>{{content}}</response>[e~[\n]~b]ai\n'],
    tools: 'minimax2',
    defaultSystem:
      'You are a helpful assistant. Your name is MiniMax-M2.1 and is built by MiniMax.',
    stopWords: ['[e~['],
    thinking: 'both-words',
  }),
];
