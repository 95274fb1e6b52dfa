/** @file Seed-Coder and Seed-OSS. */
import { bos, defineTemplate, eos, type NamedTemplate } from './template.ts';

const seedTurns = {
  system: [bos, 'system\n{{content}}', eos],
  user: [bos, 'user\n{{content}}', eos, bos, 'assistant\n'],
} satisfies Partial<NamedTemplate>;

export const seed: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'seed_coder',
    ...seedTurns,
    defaultSystem:
      'You are an AI programming assistant, utilizing the Seed-Coder model, developed by ' +
      'ByteDance Seed, and you only answer questions related to computer science. For ' +
      'politically sensitive questions, security and privacy issues, and other ' +
      'non-computer science questions, you will refuse to answer.\n\n',
  }),
  defineTemplate({
    name: 'seed_oss',
    ...seedTurns,
    function: [bos, '\n{{content}}', eos],
    tools: 'seed_oss',
    thinking: 'both-words',
    thoughtWords: ['<seed:think>', '</seed:think>'],
  }),
];
