/** @file OpenChat 3.5 and 3.6. */
import { bos, defineTemplate, eos, type NamedTemplate } from './template.ts';

export const openchat: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'openchat',
    prefix: [bos],
    user: ['GPT4 Correct User: {{content}}', eos, 'GPT4 Correct Assistant:'],
  }),
  defineTemplate({
    name: 'openchat-3.6',
    prefix: [bos],
    user: [
      '<|start_header_id|>GPT4 Correct User<|end_header_id|>\n\n{{content}}<|eot_id|><|start_header_id|>GPT4 Correct Assistant<|end_header_id|>\n\n',
    ],
    stopWords: ['<|eot_id|>'],
  }),
];
