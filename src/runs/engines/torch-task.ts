/** @file What a rank of torch is told before it begins, as plain JSON: `workers/torch/worker.py` reads it. */
import { isJsonObject, type JsonObject } from '../../files/json.ts';
import { quantizationOf } from '../../models/hold.ts';
import type { Job } from '../../train/job.ts';
import { withAccelerate } from './accelerate.ts';
import { deepspeedConfig } from './deepspeed.ts';
import type { TrainRequest } from './protocol.ts';
import type { World } from './torch-world.ts';

export type TaskInput = {
  readonly world: World;
  /** Folders. */
  readonly model: string;
  readonly adapter: string | null;
  /** Adapters that are merged into the model before. */
  readonly merged: readonly string[];
  readonly rows: string | null;
  readonly evaluations: TrainRequest['prepared']['evaluations'];
  /** The model's config.json. */
  readonly config: JsonObject;
};

export const attentions = {
  auto: 'sdpa',
  sdpa: 'sdpa',
  disabled: 'eager',
  fa2: 'flash_attention_2',
  fa3: 'flash_attention_3',
};

/** A constant, as the native engine's: how a step is cut enters the last bits of its sums. */
export const autoTokens = { cpu: 2048, cuda: 8192 };

/** What a task's ranks import. */
export function modulesOf(task: JsonObject): string[] {
  const optim = isJsonObject(task['train']) ? String(task['train']['optim']) : '';
  const wanted: Readonly<Record<string, boolean>> = {
    torch: true,
    transformers: true,
    safetensors: true,
    peft: task['adapter'] !== null,
    deepspeed: task['deepspeed'] !== null,
    bitsandbytes: task['quantization'] !== null || optim.includes('8bit'),
    liger_kernel: task['liger'] === true,
    flash_attn: task['attention'] === attentions.fa2,
    flash_attn_interface: task['attention'] === attentions.fa3,
  };
  return Object.keys(wanted).filter((name) => wanted[name]);
}

export function torchTask(
  job: Job,
  input: TaskInput,
): { task: JsonObject; notes: readonly string[] } {
  const { train, tuning, model } = job;
  const { engine, recompute } = withAccelerate(job.engine, train);
  const { world } = input;
  const whole = tuning.finetuning_type === 'full';
  const deepspeed =
    engine.deepspeed === null ? undefined : deepspeedConfig(engine.deepspeed, job, input);
  const sharded = engine.fsdp.some((word) => word.includes('shard') && word !== 'no_shard');
  const strategy = deepspeed ? 'deepspeed' : world.size === 1 ? 'none' : sharded ? 'fsdp' : 'ddp';
  const notes = [...(deepspeed?.notes ?? [])];
  if (world.size === 1 && engine.fsdp.includes('offload')) {
    notes.push('one process has nothing to shard, so `offload` of `fsdp` is left out');
  }
  // DeepSpeed scales losses in a way of its own, which a CPU refuses.
  const half = train.fp16 && !deepspeed;
  if (train.fp16 && deepspeed) notes.push('`fp16` is served as bf16 under DeepSpeed');
  const computed = half ? 'fp16' : train.bf16 ? 'bf16' : 'f32';
  return {
    notes,
    task: {
      model: input.model,
      adapter: input.adapter,
      merged: [...input.merged],
      finetuning_type: tuning.finetuning_type,
      // What learns is f32 from the first.
      dtype: whole ? 'f32' : computed,
      compute_dtype: computed,
      attention: attentions[model.flash_attn],
      quantization:
        quantizationOf(model) === null
          ? null
          : {
              bits: model.quantization_bit,
              type: model.quantization_type,
              double: model.double_quantization,
            },
      gradient_checkpointing: recompute || train.gradient_checkpointing === true,
      device: world.device,
      threads: engine.threads,
      strategy,
      sharding: engine.fsdp.includes('hybrid_shard')
        ? 'hybrid'
        : engine.fsdp.includes('shard_grad_op')
          ? 'gradients'
          : 'full',
      offload: engine.fsdp.includes('offload'),
      compile: engine.torch_compile
        ? {
            ...(engine.torch_compile_backend !== null && { backend: engine.torch_compile_backend }),
            ...(engine.torch_compile_mode !== null && { mode: engine.torch_compile_mode }),
          }
        : null,
      liger: engine.enable_liger_kernel,
      deepspeed: deepspeed?.config ?? null,
      rows: input.rows,
      evaluations: input.evaluations.map(({ name, folder }) => ({ name, folder })),
      train: {
        seed: train.seed,
        optim: train.optim,
        learning_rate: train.learning_rate,
        adam_beta1: train.adam_beta1,
        adam_beta2: train.adam_beta2,
        adam_epsilon: train.adam_epsilon,
        weight_decay: train.weight_decay,
        loraplus_lr_ratio: train.loraplus_lr_ratio,
        max_grad_norm: train.max_grad_norm,
        micro_batch_tokens:
          train.micro_batch_tokens === 'auto' ? autoTokens[world.device] : train.micro_batch_tokens,
      },
    },
  };
}
