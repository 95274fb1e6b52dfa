/** @file Early models whose turns are names in plain text: `Human:` and `Assistant:`, or words like them. */
import { bos, defineTemplate, eos, type NamedTemplate, token } from './template.ts';

export const humanAssistant: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'aquila',
    legacy: true,
    system: ['System: {{content}}###'],
    user: ['Human: {{content}}###Assistant:'],
    assistant: ['{{content}}###'],
    defaultSystem:
      'A chat between a curious human and an artificial intelligence assistant. The ' +
      "assistant gives helpful, detailed, and polite answers to the human's questions.",
    stopWords: ['</s>'],
  }),
  defineTemplate({
    name: 'atom',
    legacy: true,
    user: [bos, 'Human: {{content}}\n', eos, bos, 'Assistant:'],
    assistant: ['{{content}}\n', eos],
  }),
  defineTemplate({
    name: 'belle',
    legacy: true,
    prefix: [bos],
    user: ['Human: {{content}}\n\nBelle: '],
    assistant: ['{{content}}', eos, '\n\n'],
  }),
  defineTemplate({
    name: 'bluelm',
    legacy: true,
    user: [token('[|Human|]:'), '{{content}}', token('[|AI|]:')],
  }),
  defineTemplate({
    name: 'orion',
    legacy: true,
    prefix: [bos],
    user: ['Human: {{content}}\n\nAssistant: ', eos],
  }),
  defineTemplate({
    name: 'solar',
    system: ['### System:\n{{content}}\n\n'],
    user: ['### User:\n{{content}}\n\n### Assistant:\n'],
    efficientEos: true,
  }),
  defineTemplate({
    name: 'xuanyuan',
    user: ['Human: {{content}} Assistant:'],
    defaultSystem:
      '以下是用户和人工智能助手之间的对话。用户以Human开头，人工智能助手以Assistant开头，' +
      '会对人类提出的问题给出有帮助、高质量、详细和礼貌的回答，' +
      '并且总是拒绝参与与不道德、不安全、有争议、政治敏感等相关的话题、问题和指示。\n',
  }),
  defineTemplate({
    name: 'xverse',
    legacy: true,
    user: ['Human: {{content}}\n\nAssistant: '],
  }),
  defineTemplate({
    name: 'yayi',
    legacy: true,
    system: [token('<|System|>'), ':\n{{content}}\n\n'],
    user: [token('<|Human|>'), ':\n{{content}}\n\n', token('<|YaYi|>'), ':'],
    assistant: ['{{content}}\n\n'],
    defaultSystem:
      'You are a helpful, respectful and honest assistant named YaYi developed by Beijing ' +
      'Wenge Technology Co.,Ltd. Always answer as helpfully as possible, while being safe. ' +
      ' Your answers should not include any harmful, unethical, racist, sexist, toxic, ' +
      'dangerous, or illegal content. Please ensure that your responses are socially ' +
      'unbiased and positive in nature.\n\nIf a question does not make any sense, or is not ' +
      'factually coherent, explain why instead of answering something not correct. If you ' +
      "don't know the answer to a question, please don't share false information.",
    stopWords: ['<|End|>'],
  }),
  defineTemplate({
    name: 'yuan',
    user: ['{{content}}', token('<sep>')],
    assistant: ['{{content}}<eod>\n'],
    stopWords: ['<eod>'],
  }),
  defineTemplate({
    name: 'ziya',
    legacy: true,
    user: ['<human>:{{content}}\n<bot>:'],
    assistant: ['{{content}}\n'],
  }),
];
