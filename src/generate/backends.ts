/** @file Settings of what generates: the native engine, transformers or vLLM. */
import { z } from 'zod';
import { field, type SectionOf, section, textList, type Values } from '../core/field.ts';

const ofVllm = {
  ofEngine: { vllm: 'another backend generates, and that option is vLLM’s' },
  level: 'advanced',
} as const;

export const inferSection = section(
  'infer',
  'Inference',
  {
    infer_backend: field(z.enum(['native', 'huggingface', 'torch', 'vllm']).default('native'), {
      help: 'What generates in chat, the API and predictions: `native` is the engine of this machine’s CPU; `torch` is transformers, in the Python of `engine: torch`; `vllm` is vLLM, in the Python of `vllm_python`.',
      why: 'Prompts, templates and stop tokens are the same with all: only ids go in and come out.',
      accepted: { huggingface: 'the native engine generates' },
      later: {
        sglang:
          'use `infer_backend: vllm`, or start that server on the folder that `tunery export` writes',
      },
      level: 'advanced',
    }),
    vllm_python: field(z.string().min(1).nullable().default(null), {
      help: 'The Python of vLLM’s own environment.',
      why: 'vLLM pins versions of PyTorch and transformers that training does not have, so the two cannot share one.',
      ...ofVllm,
    }),
    vllm_maxlen: field(z.int().min(1).default(4096), {
      help: 'Longest prompt and reply together that vLLM makes room for; at most the model’s context.',
      unit: 'tokens',
      ...ofVllm,
    }),
    vllm_gpu_util: field(z.number().gt(0).max(1).default(0.7), {
      help: 'Share of a GPU’s memory that vLLM may take, weights and cache together, where `kv_cache_memory` is unset.',
      ...ofVllm,
    }),
    vllm_enforce_eager: field(z.boolean().default(false), {
      help: 'Starts sooner and generates slower: nothing is compiled and no CUDA graph is made. On a CPU it is always so.',
      ...ofVllm,
    }),
    vllm_max_lora_rank: field(z.int().min(1).default(32), {
      help: 'Rank of adapters that vLLM makes room for; one with a higher rank gets its own.',
      ...ofVllm,
    }),
    lora_modules: field(namedFolders(), {
      help: 'More adapters for `tunery api`, as a map or as `name=folder,…`: a request whose `model` is the name is answered by the base with that adapter.',
      why: 'vLLM holds one base for all of them, and requests for different ones share its batch.',
      ...ofVllm,
    }),
    vllm_config: field(vllmConfig(), {
      help: 'More of vLLM’s engine arguments, as a map or as JSON; they go before all that is set here. `tensor_parallel_size` says how many GPUs share the model: unset is all that its attention heads can be shared among.',
      ...ofVllm,
    }),
  },
  {
    rules: [
      (v, { command }) => {
        const key =
          v['quantization_bit'] !== null
            ? 'quantization_bit'
            : v['base_compute'] === 'int8'
              ? 'base_compute'
              : v['quantization_method'] === 'gguf'
                ? 'quantization_method'
                : undefined;
        const other =
          v.infer_backend === 'vllm' || (v.infer_backend === 'torch' && key !== 'quantization_bit');
        return key !== undefined && other && serves(command, v)
          ? {
              keys: ['infer_backend', key],
              message: `\`infer_backend: ${v.infer_backend}\` does not hold the model as \`${key}: ${String(v[key])}\` says`,
              help: `take \`${key}\` out (what was trained beside a quantized base works on the full one), or use \`infer_backend: native\``,
            }
          : undefined;
      },
      (v, { command, has }) => {
        const idle = ['kv_cache_memory', 'kv_cache_dtype'].filter(has);
        return v.infer_backend === 'torch' && idle.length > 0 && serves(command, v)
          ? {
              keys: ['infer_backend', ...idle],
              message:
                'the cache of `infer_backend: torch` grows as replies do, in the format that is computed with',
              help: `take ${idle.map((key) => `\`${key}\``).join(' and ')} out; \`max_num_seqs\` bounds how many sequences there are`,
              severity: 'warning',
            }
          : undefined;
      },
    ],
  },
);
export type InferSettings = SectionOf<typeof inferSection>;

const serving: ReadonlySet<string> = new Set(['chat', 'api', 'predict']);
/** Whether a session is opened: a training may end with one. */
const serves = (command: string, { do_predict }: Values): boolean =>
  serving.has(command) || do_predict === true;

/** A map, or JSON of one. */
function vllmConfig() {
  const Options = z.record(z.string(), z.unknown());
  const parsed = (text: string, context: z.RefinementCtx) => {
    try {
      return Options.parse(JSON.parse(text));
    } catch {
      context.addIssue({ code: 'custom', message: 'expected a JSON object' });
      return z.NEVER;
    }
  };
  return z
    .union([Options, z.string().transform(parsed)])
    .nullable()
    .default(null);
}

/** A map, or `name=folder` in a list or with commas between. */
function namedFolders() {
  const Folders = z.record(z.string().min(1), z.string().min(1));
  const parsed = (items: readonly string[], context: z.RefinementCtx) => {
    const pairs = items.map((item) => /^([^=]+)=(.+)$/.exec(item));
    const names = pairs.map((pair) => pair?.[1]);
    if (pairs.includes(null) || new Set(names).size < names.length) {
      context.addIssue({ code: 'custom', message: 'expected `name=folder`, each name once' });
      return z.NEVER;
    }
    return Folders.parse(Object.fromEntries(pairs.map((pair) => [pair?.[1], pair?.[2]])));
  };
  return z.union([Folders, textList().transform(parsed)]).default({});
}
