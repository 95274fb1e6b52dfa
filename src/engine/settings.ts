/** @file Settings of where and on how many cores a job computes. */
import { z } from 'zod';
import { field, type SectionOf, section } from '../core/field.ts';
import { nativeOnly } from './choose-engine.ts';

/** What the native engine says of a setting that only the other one has. */
const oneProcess = 'one process trains, so there are no ranks to keep in step';
const ofTorch = (otherwise: string) =>
  ({ ofEngine: { torch: otherwise }, level: 'advanced' }) as const;

/** Of PyTorch 2.15. */
const compileModes = [
  'default',
  'lite',
  'reduce-overhead',
  'max-autotune',
  'max-autotune-no-cudagraphs',
] as const;

export const engineSection = section(
  'engine',
  'Engine',
  {
    engine: field(z.enum(['auto', 'native', 'torch']).default('auto'), {
      help: 'What computes: `native` is TypeScript with Rust kernels on this machine; `torch` is PyTorch, for GPUs and many processes; `auto` trains with `torch` where a GPU and its Python are there, or `FORCE_TORCHRUN` is set, and with `native` elsewhere.',
      why: 'Both take the very same steps, so a file that trains with one trains with the other.',
    }),
    threads: field(z.int().min(1).nullable().default(null), {
      help: 'Threads of the kernels, or of each rank of torch; unset is one for each core. No result of the native engine depends on it.',
      level: 'advanced',
    }),
    engine_python: field(z.string().min(1).nullable().default(null), {
      help: 'The Python of the torch engine: one that has PyTorch, transformers and PEFT.',
      ...ofTorch('the native engine needs no Python'),
    }),
    nproc_per_node: field(z.int().min(1).nullable().default(null), {
      help: 'Processes of each machine; unset is `NPROC_PER_NODE`, else one for each GPU, else one.',
      ...ofTorch(oneProcess),
    }),
    nnodes: field(z.int().min(1).nullable().default(null), {
      help: 'Machines that train together; unset is `NNODES`, else one.',
      ...ofTorch(oneProcess),
    }),
    node_rank: field(z.int().min(0).nullable().default(null), {
      help: 'Which of the machines this is, from 0; unset is `NODE_RANK`, else 0.',
      ...ofTorch(oneProcess),
    }),
    master_addr: field(z.string().nullable().default(null), {
      help: 'Address of the first machine; unset is `MASTER_ADDR`.',
      ...ofTorch(oneProcess),
    }),
    master_port: field(z.int().min(1).max(65535).nullable().default(null), {
      help: 'Port of the first machine; unset is `MASTER_PORT`, else a free one where there is one machine.',
      ...ofTorch(oneProcess),
    }),
    use_cpu: field(z.boolean().default(false), {
      help: 'Leaves GPUs alone.',
      ...ofTorch('the native engine computes on the CPU, with kernels that are compiled already'),
    }),
    deepspeed: field(
      z
        .union([z.string().min(1), z.record(z.string(), z.unknown())])
        .nullable()
        .default(null),
      {
        help: 'A DeepSpeed configuration, as a file or written out: ranks share weights, gradients and optimizer as it says.',
        ...ofTorch('one process trains and holds the model whole, so nothing is sharded'),
      },
    ),
    fsdp: field(fsdpWords(), {
      help: 'Shards over all ranks (FSDP2): `full_shard` weights, gradients and optimizer; `shard_grad_op` the same, weights whole from forward to backward; `hybrid_shard` within each machine; `no_shard` nothing. `offload` keeps them in the CPU’s memory.',
      why: 'Its checkpoints go on at another number of ranks.',
      ...ofTorch('one process trains and holds the model whole, so nothing is sharded'),
    }),
    fsdp_config: field(
      z
        .union([z.string().min(1), z.record(z.string(), z.unknown())])
        .nullable()
        .default(null),
      {
        help: 'Accelerate’s configuration file, or Hugging Face’s map of this name: what it says of processes, machines and sharding counts where the setting of ours is unset.',
        ...ofTorch('one process trains and holds the model whole, so nothing is sharded'),
      },
    ),
    torch_compile: field(z.boolean().default(false), {
      help: 'Compiles the model’s layers (`torch.compile`), in a minute before the first step.',
      ...ofTorch('the native engine computes on the CPU, with kernels that are compiled already'),
    }),
    torch_compile_backend: field(z.string().min(1).nullable().default(null), {
      help: 'Backend of `torch.compile`; unset is `inductor`.',
      ...ofTorch('the native engine computes on the CPU, with kernels that are compiled already'),
    }),
    torch_compile_mode: field(z.enum(compileModes).nullable().default(null), {
      help: 'Mode of `torch.compile`; unset is `default`.',
      ...ofTorch('the native engine computes on the CPU, with kernels that are compiled already'),
    }),
    enable_liger_kernel: field(z.boolean().default(false), {
      help: 'Liger’s kernels for norms, rotary embedding and SwiGLU, on a GPU.',
      aliases: ['use_liger_kernel'],
      ...ofTorch('the native kernels are fused already'),
    }),
  },
  {
    derive: {
      torch_compile: {
        from: ['torch_compile_backend', 'torch_compile_mode'],
        value: (v) =>
          v.torch_compile_backend !== null || v.torch_compile_mode !== null ? true : undefined,
      },
    },
    rules: [
      (v) =>
        v.deepspeed !== null && v.fsdp.length > 0
          ? {
              keys: ['deepspeed', 'fsdp'],
              message: 'both say how ranks share the model',
              help: 'keep one of them',
            }
          : undefined,
      (v) => {
        const key = v.engine === 'torch' ? nativeOnly((name) => v[name]) : undefined;
        return key === undefined
          ? undefined
          : {
              keys: ['engine', key],
              message: `only the native engine has \`${key}: ${String(v[key])}\``,
              help: `take \`${key}\` out, or use \`engine: native\``,
            };
      },
    ],
  },
);
export type EngineSettings = SectionOf<typeof engineSection>;

/** Hugging Face's words, as text or as a list; `auto_wrap` is what FSDP2 does anyway. */
function fsdpWords() {
  const words = z.enum([
    'full_shard',
    'shard_grad_op',
    'hybrid_shard',
    'no_shard',
    'auto_wrap',
    'offload',
  ]);
  const split = (value: unknown): unknown => {
    if (value === null || value === false || value === '') return [];
    if (value === true) return ['full_shard'];
    return typeof value === 'string' ? value.toLowerCase().split(/[\s,]+/) : value;
  };
  return z.preprocess(split, z.array(words)).default([]);
}
