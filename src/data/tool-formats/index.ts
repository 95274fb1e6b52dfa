/** @file The tool formats. */
import { defaultTools } from './default.ts';
import { llama3Tools } from './llama3.ts';
import { qwenTools } from './qwen.ts';
import type { ToolFormat } from './tool-format.ts';

export const toolFormats = {
  default: defaultTools,
  llama3: llama3Tools,
  qwen: qwenTools,
} as const satisfies Record<string, ToolFormat>;
export type ToolFormatName = keyof typeof toolFormats;
