/**
 * @file Accelerate's file and Hugging Face's `fsdp_config`: what they say of processes and of sharding, as settings of
 * ours. A setting that is written wins; what FSDP2 does by itself is taken and has no effect.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import type { EngineSettings } from '../../engine/settings.ts';
import { accelerateConflict, accelerateRefused } from '../errors.ts';

/** YAML's `no` is false for some readers. */
const word = z.union([z.string(), z.boolean()]).transform((value) => String(value).toLowerCase());
const flag = z.preprocess(
  (value) => (typeof value === 'string' ? value.toLowerCase() === 'true' : value),
  z.boolean(),
);

/** Without the prefix `fsdp_` of accelerate's file; keys that FSDP2 has no use for are let pass. */
const Sharding = z.object({
  sharding_strategy: z.union([z.string(), z.int()]).optional(),
  reshard_after_forward: z.union([flag, z.string()]).optional(),
  offload_params: flag.optional(),
  activation_checkpointing: flag.optional(),
});

const File = z.object({
  distributed_type: word.optional(),
  mixed_precision: word.optional(),
  num_processes: z.int().min(1).optional(),
  num_machines: z.int().min(1).optional(),
  machine_rank: z.int().min(0).optional(),
  main_process_ip: z.string().nullish(),
  main_process_port: z.int().nullish(),
  use_cpu: flag.optional(),
  fsdp_config: z.record(z.string(), z.unknown()).nullish(),
  deepspeed_config: z.record(z.string(), z.unknown()).nullish(),
});

export type Processes = {
  /** The settings, filled in. */
  readonly engine: EngineSettings;
  /** Layers are computed again in the backward pass. */
  readonly recompute: boolean;
};

type Wanted = { readonly bf16: boolean; readonly fp16: boolean };

/** What a job's `fsdp_config` adds to its other settings. */
export function withAccelerate(engine: EngineSettings, precision?: Wanted): Processes {
  const { fsdp_config: given } = engine;
  if (given === null) return { engine, recompute: false };
  const name = typeof given === 'string' ? given : 'fsdp_config';
  const read = typeof given === 'string' ? readYaml(given) : given;
  const parsed = File.safeParse(read);
  if (!parsed.success) throw accelerateRefused(name, firstFault(parsed.error));
  const file = parsed.data;
  // Accelerate's file has the other one inside.
  const whole = file.distributed_type !== undefined;
  const type = file.distributed_type ?? 'fsdp';
  if (!['fsdp', 'multi_gpu', 'multi_cpu', 'deepspeed', 'no'].includes(type)) {
    throw accelerateRefused(
      name,
      `\`distributed_type: ${type.toUpperCase()}\` is none that is known here`,
    );
  }
  if (precision) checkPrecision(name, file.mixed_precision, precision);
  const sharding =
    type === 'fsdp' ? readSharding(name, whole ? (file.fsdp_config ?? {}) : read) : undefined;
  const machines = file.num_machines ?? 1;
  const processes = type === 'no' ? 1 : file.num_processes;
  if (processes !== undefined && processes % machines !== 0) {
    throw accelerateRefused(
      name,
      `${processes} processes cannot be shared equally by ${machines} machines`,
    );
  }
  return {
    recompute: sharding?.recompute ?? false,
    engine: {
      ...engine,
      nproc_per_node:
        engine.nproc_per_node ?? (processes === undefined ? null : processes / machines),
      nnodes: engine.nnodes ?? file.num_machines ?? null,
      node_rank: engine.node_rank ?? (machines > 1 ? (file.machine_rank ?? null) : null),
      master_addr: engine.master_addr ?? file.main_process_ip ?? null,
      master_port: engine.master_port ?? file.main_process_port ?? null,
      use_cpu: engine.use_cpu || file.use_cpu === true || type === 'multi_cpu',
      deepspeed:
        engine.deepspeed ??
        (type === 'deepspeed' ? deepspeedFile(name, file.deepspeed_config) : null),
      fsdp: engine.fsdp.length > 0 || !sharding ? engine.fsdp : sharding.words,
    },
  };
}

function readYaml(path: string): unknown {
  try {
    // JSON is YAML.
    return parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n', 1)[0]! : String(error);
    throw accelerateRefused(path, `it cannot be read: ${why}`);
  }
}

function firstFault(error: z.ZodError): string {
  const [issue] = error.issues;
  const where = issue?.path.join('.') ?? '';
  return where === '' ? 'it is no map of settings' : `\`${where}\`: ${issue?.message}`;
}

const strategies: Readonly<Record<string, EngineSettings['fsdp']>> = {
  '1': ['full_shard'],
  '2': ['shard_grad_op'],
  '3': ['no_shard'],
  '4': ['hybrid_shard'],
  full_shard: ['full_shard'],
  shard_grad_op: ['shard_grad_op'],
  no_shard: ['no_shard'],
  hybrid_shard: ['hybrid_shard'],
};

function readSharding(
  name: string,
  given: unknown,
): { readonly words: EngineSettings['fsdp']; readonly recompute: boolean } {
  const entries = Object.entries(given ?? {}).map(([key, value]) => [
    key.replace(/^fsdp_/, ''),
    value,
  ]);
  const parsed = Sharding.safeParse(Object.fromEntries(entries));
  if (!parsed.success) throw accelerateRefused(name, firstFault(parsed.error));
  const { sharding_strategy: strategy, reshard_after_forward: reshard, ...more } = parsed.data;
  // Accelerate lets either key say it; FSDP2's own is a flag.
  const said = typeof reshard === 'string' ? reshard : strategy;
  const words = strategies[String(said ?? 'full_shard').toLowerCase()];
  if (!words)
    throw accelerateRefused(name, `\`fsdp_sharding_strategy: ${said}\` is none that is known here`);
  const kept =
    reshard === false && words[0] === 'full_shard' ? (['shard_grad_op'] as const) : words;
  return {
    words: more.offload_params ? [...kept, 'offload'] : [...kept],
    recompute: more.activation_checkpointing === true,
  };
}

function checkPrecision(name: string, mixed: string | undefined, { bf16, fp16 }: Wanted): void {
  const ours = fp16 ? 'fp16' : bf16 ? 'bf16' : 'no';
  if (mixed === undefined || mixed === 'no' || mixed === 'false' || mixed === ours) return;
  throw accelerateConflict(
    name,
    'mixed_precision',
    mixed,
    ours === 'no' ? `\`${mixed}\` is false in the settings` : `the settings have \`${ours}: true\``,
  );
}

function deepspeedFile(
  name: string,
  config: Readonly<Record<string, unknown>> | null | undefined,
): string {
  const file = config?.['deepspeed_config_file'];
  if (typeof file === 'string') return file;
  throw accelerateRefused(
    name,
    '`deepspeed_config` names no `deepspeed_config_file`, and plug-in keys are not read',
  );
}
