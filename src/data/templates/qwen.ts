/** @file Qwen 1.5 to 3.6, and the families that took its turns and tools over: Keye, MiMo, MOSS. */
import { chatmlTurns, toolResponse } from './chatml.ts';
import { defineTemplate, type NamedTemplate } from './template.ts';

/** ChatML with tools in Qwen's form, and their results in the user's turn. */
export const qwenTurns = {
  ...chatmlTurns,
  observation: toolResponse,
  tools: 'qwen',
  replaceEos: true,
} satisfies Partial<NamedTemplate>;

export const qwen: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'qwen',
    ...qwenTurns,
    defaultSystem: 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.',
  }),
  defineTemplate({
    name: 'qwen2_audio',
    ...chatmlTurns,
    defaultSystem: 'You are a helpful assistant.',
    replaceEos: true,
    media: 'qwen2_audio',
  }),
  defineTemplate({
    name: 'qwen2_omni',
    ...qwenTurns,
    defaultSystem: 'You are a helpful assistant.',
    media: 'qwen2_omni',
  }),
  defineTemplate({
    name: 'qwen2_vl',
    ...qwenTurns,
    defaultSystem: 'You are a helpful assistant.',
    media: 'qwen2_vl',
  }),
  defineTemplate({
    name: 'qwen3',
    ...qwenTurns,
    thinking: 'both-words',
  }),
  defineTemplate({
    name: 'qwen3_nothink',
    ...qwenTurns,
  }),
  defineTemplate({
    name: 'qwen3_5',
    ...qwenTurns,
    tools: 'qwen3_5',
    thinking: 'both-words',
    media: 'qwen3_vl',
  }),
  defineTemplate({
    name: 'qwen3_5_nothink',
    ...qwenTurns,
    tools: 'qwen3_5',
    media: 'qwen3_vl',
  }),
  defineTemplate({
    name: 'qwen3_6',
    ...qwenTurns,
    tools: 'qwen3_5',
    thinking: 'both-words',
    media: 'qwen3_vl',
  }),
  defineTemplate({
    name: 'qwen3_omni',
    ...qwenTurns,
    thinking: 'both-words',
    media: 'qwen2_omni',
  }),
  defineTemplate({
    name: 'qwen3_omni_nothink',
    ...qwenTurns,
    media: 'qwen2_omni',
  }),
  defineTemplate({
    name: 'qwen3_vl',
    ...qwenTurns,
    thinking: 'both-words',
    media: 'qwen3_vl',
  }),
  defineTemplate({
    name: 'qwen3_vl_nothink',
    ...qwenTurns,
    media: 'qwen3_vl',
  }),
  defineTemplate({
    name: 'keye_vl',
    ...qwenTurns,
    thinking: 'both-words',
    media: 'qwen2_vl',
  }),
  defineTemplate({
    name: 'mimo',
    ...qwenTurns,
    defaultSystem: 'You are a helpful assistant.',
    thinking: 'both-words',
  }),
  defineTemplate({
    name: 'mimo_v2',
    ...qwenTurns,
    defaultSystem: 'You are MiMo, a helpful AI assistant engineered by Xiaomi.',
    thinking: 'both-words',
    thoughtWords: ['<think>', '</think>'],
  }),
  defineTemplate({
    name: 'mimo_vl',
    ...qwenTurns,
    defaultSystem: 'You are MiMo, an AI assistant developed by Xiaomi.',
    thinking: 'both-words',
    media: 'qwen2_vl',
  }),
  defineTemplate({
    name: 'moss_vl',
    ...qwenTurns,
    trimsLoneTools: true,
    media: 'moss_vl',
  }),
];
