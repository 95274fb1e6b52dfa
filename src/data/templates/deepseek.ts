/** @file DeepSeek LLM, V3, R1 and Coder. */
import { bos, defineTemplate, type NamedTemplate } from './template.ts';

const deepseek3Turns = {
  prefix: [bos],
  user: ['<｜User｜>{{content}}<｜Assistant｜>'],
} satisfies Partial<NamedTemplate>;

export const deepseek: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'deepseek',
    prefix: [bos],
    system: ['{{content}}\n\n'],
    user: ['User: {{content}}\n\nAssistant:'],
  }),
  defineTemplate({
    name: 'deepseek3',
    ...deepseek3Turns,
  }),
  defineTemplate({
    name: 'deepseekcoder',
    prefix: [bos],
    user: ['### Instruction:\n{{content}}\n### Response:'],
    assistant: ['\n{{content}}\n<|EOT|>\n'],
    defaultSystem:
      'You are an AI programming assistant, utilizing the DeepSeek Coder model, developed ' +
      'by DeepSeek Company, and you only answer questions related to computer science. For ' +
      'politically sensitive questions, security and privacy issues, and other ' +
      'non-computer science questions, you will refuse to answer.\n',
  }),
  defineTemplate({
    name: 'deepseekr1',
    ...deepseek3Turns,
    thinking: 'both-words',
  }),
];
