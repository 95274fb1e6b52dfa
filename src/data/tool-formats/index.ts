/** @file The tool formats. */
import { defaultTools } from './default.ts';
import { qwen35Tools, seedOssTools } from './function-tags.ts';
import { gemma4Tools } from './gemma4.ts';
import { glm4MoeTools, glm4Tools } from './glm4.ts';
import { lfm2Tools } from './lfm2.ts';
import { llama3Tools } from './llama3.ts';
import { minimax1Tools, minimax2Tools } from './minimax.ts';
import { mistralTools } from './mistral.ts';
import { lingTools, qwenTools } from './qwen.ts';
import type { ToolFormat } from './tool-format.ts';

export const toolFormats = {
  default: defaultTools,
  gemma4: gemma4Tools,
  glm4: glm4Tools,
  glm4_moe: glm4MoeTools,
  lfm2: lfm2Tools,
  ling: lingTools,
  llama3: llama3Tools,
  minimax1: minimax1Tools,
  minimax2: minimax2Tools,
  mistral: mistralTools,
  qwen: qwenTools,
  qwen3_5: qwen35Tools,
  seed_oss: seedOssTools,
} as const satisfies Record<string, ToolFormat>;
export type ToolFormatName = keyof typeof toolFormats;

export const isToolFormat = (name: string): name is ToolFormatName =>
  Object.hasOwn(toolFormats, name);
export const toolFormatNames = Object.keys(toolFormats).filter(isToolFormat);
