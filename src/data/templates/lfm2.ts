/** @file LFM 2 and 2.5: calls are Python. */
import { chatmlTurns } from './chatml.ts';
import { defineTemplate, type NamedTemplate } from './template.ts';

const lfm2Turns = {
  ...chatmlTurns,
  observation: [
    '<|im_start|>tool\n<|tool_response_start|>{{content}}<|tool_response_end|><|im_end|>\n<|im_start|>assistant\n',
  ],
  tools: 'lfm2',
  replaceEos: true,
  toolCallWords: ['<|tool_call_start|>', '<|tool_call_end|>'],
} satisfies Partial<NamedTemplate>;

export const lfm2: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'lfm2',
    ...lfm2Turns,
    defaultSystem: 'You are a helpful AI assistant.',
  }),
  defineTemplate({
    name: 'lfm2_vl',
    ...lfm2Turns,
    defaultSystem: 'You are a helpful multimodal assistant by Liquid AI.',
    media: 'lfm2_vl',
  }),
];
