/** @file TeleChat 1 and 2. */
import { defineTemplate, type NamedTemplate } from './template.ts';

export const telechat: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'telechat',
    legacy: true,
    system: ['<_system>{{content}}<_end>'],
    user: ['<_user>{{content}}<_bot>'],
  }),
  defineTemplate({
    name: 'telechat2',
    system: ['<_system>{{content}}'],
    user: ['<_user>{{content}}<_bot>'],
    defaultSystem:
      '你是中国电信星辰语义大模型，英文名是TeleChat，你是由中电信人工智能科技有限公司和中国电信人工智能研究院（TeleAI）研发的人工智能助手。',
  }),
];
