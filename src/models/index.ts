/** @file The families, by `model_type` of config.json. A family is loaded when a model asks for it. */
import type { Family } from './family.ts';

export const families: Readonly<Record<string, () => Promise<Family>>> = {
  falcon: async () => (await import('./falcon.ts')).falcon as unknown as Family,
  llama: async () => (await import('./llama.ts')).llama as unknown as Family,
  qwen2: async () => (await import('./qwen2.ts')).qwen2 as unknown as Family,
};
