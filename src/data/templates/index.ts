/** @file The named chat templates. */
import { chatml } from './chatml.ts';
import { plain } from './default.ts';
import { llama3 } from './llama3.ts';
import { qwen } from './qwen.ts';
import { smollm2 } from './smollm2.ts';
import type { NamedTemplate } from './template.ts';

export const templates: Readonly<Record<string, NamedTemplate>> = {
  chatml,
  default: plain,
  llama3,
  qwen,
  smollm2,
};
