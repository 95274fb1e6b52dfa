/** @file CPM and MiniCPM. */
import { chatmlTurns, toolTurn } from './chatml.ts';
import { bos, defineTemplate, type NamedTemplate } from './template.ts';

export const minicpm: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'cpm',
    legacy: true,
    prefix: [bos],
    user: ['<用户>{{content}}<AI>'],
  }),
  defineTemplate({
    name: 'cpm3',
    ...chatmlTurns,
    legacy: true,
    prefix: [bos],
    observation: toolTurn,
  }),
  defineTemplate({
    name: 'cpm4',
    ...chatmlTurns,
    prefix: [bos],
    observation: toolTurn,
  }),
  defineTemplate({
    name: 'minicpm_o',
    ...chatmlTurns,
    defaultSystem:
      'You are a helpful assistant. You can accept audio and text input and output voice ' +
      'and text.',
    media: 'minicpm_v',
  }),
  defineTemplate({
    name: 'minicpm_v',
    ...chatmlTurns,
    defaultSystem: 'You are a helpful assistant.',
    media: 'minicpm_v',
  }),
  defineTemplate({
    name: 'minicpm_v_4_6',
    ...chatmlTurns,
    defaultSystem: 'You are a helpful assistant.',
    media: 'minicpm_v_4_6',
  }),
];
