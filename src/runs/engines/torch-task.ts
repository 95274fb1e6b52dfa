/** @file What a rank of torch is told before it begins, as plain JSON: `workers/torch/worker.py` reads it. */
import type { JsonObject } from '../../files/json.ts';
import { quantizationOf } from '../../models/hold.ts';
import type { Job } from '../../train/job.ts';
import { deepspeedConfig } from './deepspeed.ts';
import type { TrainRequest } from './protocol.ts';
import type { World } from './torch-world.ts';

export type TaskInput = {
  readonly world: World;
  /** Folders. */
  readonly model: string;
  readonly adapter: string | null;
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

export function torchTask(
  job: Job,
  input: TaskInput,
): { task: JsonObject; notes: readonly string[] } {
  const { train, tuning, model, engine } = job;
  const { world } = input;
  const whole = tuning.finetuning_type === 'full';
  const deepspeed =
    engine.deepspeed === null ? undefined : deepspeedConfig(engine.deepspeed, job, input);
  const strategy = deepspeed
    ? 'deepspeed'
    : world.size === 1
      ? 'none'
      : engine.fsdp.length > 0
        ? 'fsdp'
        : 'ddp';
  return {
    notes: deepspeed?.notes ?? [],
    task: {
      model: input.model,
      adapter: input.adapter,
      finetuning_type: tuning.finetuning_type,
      // What learns is f32 from the first.
      dtype: train.bf16 && !whole ? 'bf16' : 'f32',
      compute_dtype: train.bf16 ? 'bf16' : 'f32',
      attention: attentions[model.flash_attn],
      quantization:
        quantizationOf(model) === null
          ? null
          : {
              bits: model.quantization_bit,
              type: model.quantization_type,
              double: model.double_quantization,
            },
      gradient_checkpointing: train.gradient_checkpointing === true,
      device: world.device,
      threads: engine.threads,
      strategy,
      offload: engine.fsdp.includes('offload'),
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
