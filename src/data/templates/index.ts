/** @file The named chat templates, by family. */
import { baichuan } from './baichuan.ts';
import { bailing } from './bailing.ts';
import { chatml } from './chatml.ts';
import { chatmlLike } from './chatml-like.ts';
import { deepseek } from './deepseek.ts';
import { ernie } from './ernie.ts';
import { falcon } from './falcon.ts';
import { gemma } from './gemma.ts';
import { glm } from './glm.ts';
import { granite } from './granite.ts';
import { humanAssistant } from './human-assistant.ts';
import { hunyuan } from './hunyuan.ts';
import { internlm } from './internlm.ts';
import { kimi } from './kimi.ts';
import { lfm2 } from './lfm2.ts';
import { llama } from './llama.ts';
import { llava } from './llava.ts';
import { minicpm } from './minicpm.ts';
import { minimax } from './minimax.ts';
import { mistral } from './mistral.ts';
import { openchat } from './openchat.ts';
import { phi } from './phi.ts';
import { plain } from './plain.ts';
import { qwen } from './qwen.ts';
import { seed } from './seed.ts';
import { single } from './single.ts';
import { smollm } from './smollm.ts';
import { telechat } from './telechat.ts';
import type { NamedTemplate } from './template.ts';
import { vicuna } from './vicuna.ts';
import { yi } from './yi.ts';
import { youtu } from './youtu.ts';

const families: readonly (readonly NamedTemplate[])[] = [
  baichuan,
  bailing,
  chatml,
  chatmlLike,
  deepseek,
  ernie,
  falcon,
  gemma,
  glm,
  granite,
  humanAssistant,
  hunyuan,
  internlm,
  kimi,
  lfm2,
  llama,
  llava,
  minicpm,
  minimax,
  mistral,
  openchat,
  phi,
  plain,
  qwen,
  seed,
  single,
  smollm,
  telechat,
  vicuna,
  yi,
  youtu,
];

export const templates: Readonly<Record<string, NamedTemplate>> = Object.fromEntries(
  families
    .flat()
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((template) => [template.name, template]),
);
