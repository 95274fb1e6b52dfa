/** @file Settings of the model: which one, which adapters, and how it is held. */
import { z } from 'zod';
import { field, type SectionOf, section, textList } from '../core/field.ts';
import { Secret } from '../core/secret.ts';

const token = () =>
  z
    .string()
    .nullable()
    .default(null)
    .transform((text) => (text === null ? null : new Secret(text)));

export const modelSection = section('model', 'Model', {
  model_name_or_path: field(z.string().min(1), {
    help: 'The model: a folder, a `.gguf` file, a hub id, or `random:llama?hidden_size=64&…` for a seeded tiny one.',
    why: 'A hub id is `org/name`, or `org/name/file.gguf` for one of several GGUF files; what the hub cache lacks is fetched.',
    requiredBy: ['train', 'chat', 'export', 'api', 'eval', 'data', 'debug batches'],
  }),
  adapter_name_or_path: field(textList().default([]), {
    help: 'Adapters: folders, or hub ids. Training goes on with the last and merges those before it; every other command applies them all.',
    aliases: ['checkpoint_dir'],
  }),
  cache_dir: field(z.string().nullable().default(null), {
    help: 'Folder of the hub cache; unset is where `huggingface_hub` keeps it.',
    level: 'advanced',
  }),
  model_revision: field(z.string().default('main'), {
    help: 'Branch, tag or commit of a hub model.',
    level: 'advanced',
  }),
  hf_hub_token: field(token(), {
    help: 'Token for Hugging Face’s hub; unset is `HF_TOKEN`, or the one that `hf auth login` keeps.',
    why: 'The environment is the better place: a token in a file is read by whoever reads the file. It is never written to a run folder.',
    aliases: ['hf_auth_token', 'use_auth_token'],
    level: 'advanced',
  }),
  ms_hub_token: field(token(), {
    help: 'Token for ModelScope; unset is `MODELSCOPE_API_TOKEN`.',
    level: 'advanced',
  }),
  infer_dtype: field(z.enum(['auto', 'float16', 'bfloat16', 'float32']).default('auto'), {
    help: 'Number format of the weights in chat, export and serving; `auto` is the checkpoint’s own.',
    aliases: ['vllm_dtype'],
    accepted: {
      float16: 'the native engine computes with bfloat16 instead; `export` writes float16',
    },
    level: 'advanced',
  }),
  trust_remote_code: field(z.boolean().default(false), {
    help: 'Taken for compatibility: code that comes with a model is never run.',
    accepted: { true: 'code that comes with a model is never run; its family must be built in' },
    level: 'advanced',
  }),
  flash_attn: field(z.enum(['auto', 'disabled', 'sdpa', 'fa2', 'fa3']).default('auto'), {
    help: 'Attention kernel of the torch engine; the native engine has one, flash-style, and always uses it.',
    accepted: { '*': 'the native engine always uses its own flash-style attention' },
    level: 'advanced',
  }),
});
export type ModelSettings = SectionOf<typeof modelSection>;
