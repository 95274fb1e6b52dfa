/** @file Families of one template: Breeze, Cohere, dots.ocr, EXAONE, gpt-oss, Index, OLMo, StarChat, Zephyr. */
import { bos, defineTemplate, eos, type NamedTemplate } from './template.ts';

export const single: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'breeze',
    prefix: [bos],
    user: ['[INST] {{content}} [/INST] '],
    efficientEos: true,
  }),
  defineTemplate({
    name: 'cohere',
    prefix: [bos],
    system: ['<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>{{content}}<|END_OF_TURN_TOKEN|>'],
    user: [
      '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{{content}}<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>',
    ],
  }),
  defineTemplate({
    name: 'dots_ocr',
    system: ['<|system|>{{content}}<|endofsystem|>\n'],
    user: ['<|user|>{{content}}<|endofuser|><|assistant|>'],
    assistant: ['{{content}}<|endofassistant|>'],
    stopWords: ['<|endofassistant|>'],
    efficientEos: true,
    media: 'qwen2_vl',
  }),
  defineTemplate({
    name: 'exaone',
    system: ['[|system|]{{content}}[|endofturn|]\n'],
    user: ['[|user|]{{content}}\n[|assistant|]'],
    assistant: ['{{content}}', eos, '\n'],
  }),
  defineTemplate({
    name: 'gpt_oss',
    system: ['<|start|>system<|message|>{{content}}<|end|>'],
    user: ['<|start|>user<|message|>{{content}}<|end|><|start|>assistant'],
    defaultSystem: 'You are ChatGPT, a large language model trained by OpenAI.',
    efficientEos: true,
    thinking: 'both-words',
    thoughtWords: [
      '<|channel|>analysis<|message|>',
      '<|end|><|start|>assistant<|channel|>final<|message|>',
    ],
  }),
  defineTemplate({
    name: 'index',
    system: ['<unk>{{content}}'],
    user: ['reserved_0{{content}}reserved_1'],
    efficientEos: true,
  }),
  defineTemplate({
    name: 'olmo',
    prefix: [eos],
    user: ['<|user|>\n{{content}}<|assistant|>\n'],
  }),
  defineTemplate({
    name: 'starchat',
    system: ['<|system|>\n{{content}}<|end|>\n'],
    user: ['<|user|>\n{{content}}<|end|>\n<|assistant|>'],
    assistant: ['{{content}}<|end|>\n'],
    stopWords: ['<|end|>'],
  }),
  defineTemplate({
    name: 'zephyr',
    system: ['<|system|>\n{{content}}', eos],
    user: ['<|user|>\n{{content}}', eos, '<|assistant|>\n'],
    defaultSystem: 'You are Zephyr, a helpful assistant.',
  }),
];
