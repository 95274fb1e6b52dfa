/** @file Baichuan 1 and 2. */
import { defineTemplate, type NamedTemplate, token } from './template.ts';

export const baichuan: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'baichuan',
    legacy: true,
    user: [token('<reserved_102>'), '{{content}}', token('<reserved_103>')],
    efficientEos: true,
  }),
  defineTemplate({
    name: 'baichuan2',
    legacy: true,
    user: ['<reserved_106>{{content}}<reserved_107>'],
    efficientEos: true,
  }),
];
