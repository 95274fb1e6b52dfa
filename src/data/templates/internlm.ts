/** @file InternLM 1 to 3, InternVL and Intern-S1. */
import { chatmlTurns } from './chatml.ts';
import { bos, defineTemplate, type NamedTemplate } from './template.ts';

const defaultSystem =
  'You are an AI assistant whose name is InternLM (书生·浦语).\n- InternLM (书生·浦语) ' +
  'is a conversational language model that is developed by Shanghai AI Laboratory ' +
  '(上海人工智能实验室). It is designed to be helpful, honest, and harmless.\n- ' +
  'InternLM (书生·浦语) can understand and communicate fluently in the language chosen ' +
  'by the user such as English and 中文.';

export const internlm: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'intern',
    legacy: true,
    prefix: [bos],
    system: ['<|System|>:{{content}}\n'],
    user: ['<|User|>:{{content}}\n<|Bot|>:'],
    assistant: ['{{content}}<eoa>\n'],
    defaultSystem: defaultSystem,
    stopWords: ['<eoa>'],
  }),
  defineTemplate({
    name: 'intern2',
    ...chatmlTurns,
    prefix: [bos],
    defaultSystem: defaultSystem,
  }),
  defineTemplate({
    name: 'intern_s1',
    ...chatmlTurns,
    prefix: [bos],
    media: 'intern_vl',
  }),
  defineTemplate({
    name: 'intern_vl',
    ...chatmlTurns,
    prefix: [bos],
    defaultSystem:
      '你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。',
    media: 'intern_vl',
  }),
];
