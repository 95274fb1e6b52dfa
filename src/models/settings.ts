/** @file Settings of the model: which one, which adapters, and how it is held. */
import { z } from 'zod';
import { field, type Rule, type SectionOf, section, textList, type Values } from '../core/field.ts';
import { Secret } from '../core/secret.ts';

const token = () =>
  z
    .string()
    .nullable()
    .default(null)
    .transform((text) => (text === null ? null : new Secret(text)));

const inBlocks = (v: Values): string | undefined => {
  if (v['quantization_bit'] !== null) return 'quantization_bit';
  if (v['quantization_method'] === 'gguf') return 'quantization_method';
  return v['base_compute'] === 'int8' ? 'base_compute' : undefined;
};
const adaptersOf = (v: Values): number => {
  const adapters = v['adapter_name_or_path'];
  return Array.isArray(adapters) ? adapters.length : 0;
};

/** As LLaMA-Factory has them, and what says nothing. */
const quantizationRules: readonly Rule[] = [
  (v, { training }) => {
    const key = inBlocks(v);
    return key !== undefined && training && v['finetuning_type'] === 'full'
      ? {
          keys: [key, 'finetuning_type'],
          message: `\`${key}: ${String(v[key])}\` freezes the base, and \`finetuning_type: ${String(v['finetuning_type'])}\` trains it`,
          help: 'set `finetuning_type: lora`, or take the quantization out',
        }
      : undefined;
  },
  (v) => {
    const key = inBlocks(v);
    return v['base_compute'] === 'int8' &&
      (v['quantization_bit'] === 4 || key === 'quantization_method')
      ? {
          keys: ['base_compute', key as string],
          message:
            '`base_compute: int8` multiplies whole numbers, which the base has with eight bits only',
          help: `keep one of the two; \`quantization_bit: 4\` saves more memory, \`base_compute: int8\` more time`,
        }
      : undefined;
  },
  (v) => {
    const key = v['base_compute'] === 'int8' ? 'base_compute' : 'quantization_bit';
    const quantized = key === 'base_compute' || v['quantization_bit'] !== null;
    return quantized && adaptersOf(v) > 1
      ? {
          keys: [key, 'adapter_name_or_path'],
          message:
            'all adapters but the last are merged into the base, and a quantized base takes none',
          help: `merge them first with \`tunery export\`, without \`${key}\`, and quantize the result`,
        }
      : undefined;
  },
  (v, { command }) =>
    command === 'export' && v['quantization_bit'] !== null
      ? {
          keys: ['quantization_bit', 'export_dir'],
          message:
            'an export is written from the full weights, into which the adapter is merged: `quantization_bit` does nothing here',
          help: 'take it out, or leave it: what was trained beside a quantized base merges into the full one',
          severity: 'warning',
        }
      : undefined,
  (v) =>
    v['quantization_bit'] !== null && v['quantization_method'] === 'gguf'
      ? {
          keys: ['quantization_bit', 'quantization_method'],
          message: '`quantization_method: gguf` keeps the blocks of the file, whatever their bits',
          help: 'take `quantization_bit` out, or `quantization_method` to quantize anew',
        }
      : undefined,
  (v, given) => {
    const idle = ['quantization_type', 'double_quantization'].filter((key) => given.has(key));
    return v['quantization_bit'] !== 4 && idle.length > 0
      ? {
          keys: idle,
          message: `${idle.map((key) => `\`${key}\``).join(' and ')} belong${idle.length === 1 ? 's' : ''} to \`quantization_bit: 4\``,
          help: 'set `quantization_bit: 4`, or take them out',
          severity: 'warning',
        }
      : undefined;
  },
];

export const modelSection = section(
  'model',
  'Model',
  {
    model_name_or_path: field(z.string().min(1), {
      help: 'The model: a folder, a `.gguf` file, a hub id, or `random:llama?hidden_size=64&…` for a seeded tiny one.',
      why: 'A hub id is `org/name`, or `org/name/file.gguf` for one of several GGUF files; what the hub cache lacks is fetched.',
      requiredBy: [
        'train',
        'chat',
        'export',
        'api',
        'eval',
        'data',
        'debug batches',
        'estimate',
        'fit',
      ],
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
    quantization_bit: field(z.literal([4, 8]).nullable().default(null), {
      help: 'Bits of the frozen base’s linear layers (QLoRA); unset keeps them as numbers.',
      why: 'Four bits hold a model in a quarter of bf16’s memory. What training then starts from is a little worse, and the adapter learns around it.',
    }),
    quantization_method: field(z.enum(['bnb', 'gguf']).default('bnb'), {
      help: 'How the base is held in blocks: `bnb` quantizes while it is loaded, as bitsandbytes does; `gguf` keeps the blocks of a GGUF file.',
      why: 'Without `gguf`, a GGUF file’s numbers are the same, expanded once to f32 or bf16: that is faster and takes more memory.',
      later: {
        hqq: 'use `quantization_method: bnb`',
        eetq: 'use `quantization_method: bnb` with `quantization_bit: 8`',
        gptq: 'use `quantization_method: bnb` on the full-precision model',
        awq: 'use `quantization_method: bnb` on the full-precision model',
        aqlm: 'use `quantization_method: bnb` on the full-precision model',
        quanto: 'use `quantization_method: bnb`',
        mxfp4: 'use `quantization_method: bnb` on the full-precision model',
        fp8: 'use `quantization_method: bnb` with `quantization_bit: 8` on the full-precision model',
      },
      level: 'advanced',
    }),
    quantization_type: field(z.enum(['nf4', 'fp4']).default('nf4'), {
      help: 'The sixteen values of four bits: `nf4` suits weights, which are nearly normal; `fp4` is a tiny float.',
      level: 'advanced',
    }),
    double_quantization: field(z.boolean().default(true), {
      help: 'Whether the scales of four-bit blocks are quantized too: 4.13 bits a weight in place of 4.5.',
      level: 'advanced',
    }),
    base_compute: field(z.enum(['auto', 'int8']).default('auto'), {
      help: 'How the frozen linear layers are multiplied: `auto` as `bf16` or f32 says; `int8` as whole numbers, weights and inputs rounded to eight bits (LoRA only).',
      why: 'Whole numbers are multiplied faster than f32: about one and a half times with AVX2, more on processors with VNNI. The base is a little worse for it, and the adapter learns around that: see docs/how-to/faster-and-smaller.md.',
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
    max_num_seqs: field(z.int().min(1).default(16), {
      help: 'Most sequences that are generated together; the others wait until one ends.',
      why: 'A pass over several costs little more than over one, and none of them sees what the others are.',
      level: 'advanced',
    }),
    kv_cache_memory: field(z.number().positive().nullable().default(null), {
      help: 'Memory for keys and values of what was read: of all sequences under way, and of prompts that may come again; unset is a quarter of what is free.',
      why: 'A sequence begins once there is room for its prompt and `max_new_tokens` more, so that it is never put off.',
      unit: 'GB',
      level: 'advanced',
    }),
    kv_cache_dtype: field(z.enum(['auto', 'bfloat16', 'float32']).default('auto'), {
      help: 'Number format of keys and values; `auto` is the one that is computed with.',
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
      servedBy: 'torch',
      level: 'advanced',
    }),
  },
  { rules: quantizationRules },
);
export type ModelSettings = SectionOf<typeof modelSection>;
