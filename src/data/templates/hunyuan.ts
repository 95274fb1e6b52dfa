/** @file Hunyuan: large, small, the dense models and Hy3. */
import { bos, defineTemplate, type NamedTemplate } from './template.ts';

export const hunyuan: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'hunyuan',
    prefix: ['<|startoftext|>'],
    system: ['{{content}}<|extra_4|>'],
    user: ['{{content}}<|extra_0|>'],
    assistant: ['{{content}}<|eos|>'],
    stopWords: ['<|eos|>'],
  }),
  defineTemplate({
    name: 'hunyuan_small',
    prefix: ['<｜hy_begin▁of▁sentence｜>'],
    system: ['{{content}}<｜hy_place▁holder▁no▁3｜>'],
    user: ['<｜hy_User｜>{{content}}<｜hy_place▁holder▁no▁8｜>'],
    assistant: ['{{content}}<｜hy_place▁holder▁no▁2｜>'],
    stopWords: ['<｜hy_place▁holder▁no▁2｜>'],
  }),
  defineTemplate({
    name: 'hy3',
    prefix: [bos],
    user: ['<｜hy_User｜>{{content}}<｜hy_Assistant｜>'],
    assistant: ['{{content}}<｜hy_eos｜>'],
    stopWords: ['<｜hy_eos｜>'],
    replaceEos: true,
    thinking: 'both-words',
    thoughtWords: ['<think>', '</think>'],
  }),
  defineTemplate({
    name: 'hy_dense_1_8b',
    prefix: [bos],
    system: ['{{content}}<｜hy_place▁holder▁no▁3｜>'],
    user: ['<｜hy_User｜>{{content}}'],
    assistant: ['<｜hy_Assistant｜>{{content}}'],
    stopWords: ['<｜hy_place▁holder▁no▁2｜>'],
    efficientEos: true,
  }),
  defineTemplate({
    name: 'hy_dense_7b',
    prefix: [bos],
    system: ['{{content}}<|extra_4|>'],
    user: ['{{content}}<|extra_0|>'],
    stopWords: ['<|eos|>'],
    efficientEos: true,
  }),
];
