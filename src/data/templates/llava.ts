/** @file LLaVA, LLaVA-NeXT and Video-LLaVA, each with the turns of the language model that it stands on. */
import { chatmlTurns } from './chatml.ts';
import { llama3Turns } from './llama.ts';
import { mistralTurns } from './mistral.ts';
import { qwenTurns } from './qwen.ts';
import { defineTemplate, type NamedTemplate } from './template.ts';
import { vicunaTurns } from './vicuna.ts';

export const llava: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'llava',
    ...vicunaTurns,
    media: 'llava',
  }),
  defineTemplate({
    name: 'llava_next',
    ...vicunaTurns,
    media: 'llava_next',
  }),
  defineTemplate({
    name: 'llava_next_llama3',
    ...llama3Turns,
    replaceEos: true,
    media: 'llava_next',
  }),
  defineTemplate({
    name: 'llava_next_mistral',
    ...mistralTurns,
    media: 'llava_next',
  }),
  defineTemplate({
    name: 'llava_next_qwen',
    ...qwenTurns,
    defaultSystem: 'You are a helpful assistant.',
    media: 'llava_next',
  }),
  defineTemplate({
    name: 'llava_next_video',
    ...vicunaTurns,
    media: 'llava_next_video',
  }),
  defineTemplate({
    name: 'llava_next_video_mistral',
    ...mistralTurns,
    media: 'llava_next_video',
  }),
  defineTemplate({
    name: 'llava_next_video_yi',
    ...chatmlTurns,
    media: 'llava_next_video',
  }),
  defineTemplate({
    name: 'llava_next_yi',
    ...chatmlTurns,
    media: 'llava_next',
  }),
  defineTemplate({
    name: 'video_llava',
    ...vicunaTurns,
    media: 'video_llava',
  }),
];
