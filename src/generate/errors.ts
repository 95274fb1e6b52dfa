/** @file Errors of generating and scoring. */
import { defineError } from '../core/errors.ts';

export const contextFull = defineError('generate/context-full', (tokens: number, most: number) => ({
  message: `the prompt has ${tokens} tokens, and the model’s context holds ${most}, of which at least one is for the reply`,
  help: 'shorten the prompt, or start a new conversation',
}));

export const cacheFull = defineError('generate/cache-full', (tokens: number, most: number) => ({
  message: `the prompt has ${tokens} tokens, and the cache holds ${most}, of which at least one is for the reply`,
  help: 'raise `kv_cache_memory`, or shorten the prompt',
}));

export const emptyPrompt = defineError('generate/empty-prompt', () => ({
  message: 'the prompt has no tokens, so there is nothing to go on from',
  help: 'write at least one word',
}));

export const unknownId = defineError('generate/unknown-id', (id: number, size: number) => ({
  message: `token ${id} is none of the model’s ${size}`,
  help: 'the tokenizer and the model do not belong together; take both from one place',
}));

export const unknownModule = defineError(
  'generate/unknown-module',
  (name: string, known: readonly string[]) => ({
    message: `this session has no adapter \`${name}\`${known.length === 0 ? '' : `; it has ${known.join(', ')}`}`,
    help: 'name it in `lora_modules`, with `infer_backend: vllm`',
  }),
);
