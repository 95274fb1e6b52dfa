/** @file Settings of the training loop: steps, rates, evaluation, checkpoints, logs. */
import { z } from 'zod';
import { field, type SectionOf, section, textList } from '../core/field.ts';

/** `SchedulerType` of transformers, every name of it. */
export const schedulerTypes = [
  'linear',
  'cosine',
  'cosine_with_restarts',
  'polynomial',
  'constant',
  'constant_with_warmup',
  'inverse_sqrt',
  'reduce_lr_on_plateau',
  'cosine_with_min_lr',
  'cosine_warmup_with_min_lr',
  'warmup_stable_decay',
  'greedy',
] as const;

const loggers =
  'set `report_to: none`; the run folder keeps every figure in events.jsonl, trainer_log.jsonl and training_loss.svg';
const adamOnly =
  'AdamW is the only optimizer so far: use `optim: adamw_torch`, or `adamw_8bit` for a quarter of its memory';

const optimizers = [
  'adamw_torch',
  'adamw_torch_fused',
  'adamw_8bit',
  'adamw_bnb_8bit',
  'paged_adamw_8bit',
] as const;

const interval = (what: string) => `${what}, in steps; below 1, a share of all steps`;

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b);

export const trainSection = section(
  'train',
  'Training',
  {
    do_train: field(z.boolean().default(false), {
      help: 'Train. `tunery train` does so unless the file asks for an evaluation alone.',
    }),
    do_eval: field(z.boolean().default(false), {
      help: 'Evaluate; alone, without `do_train`, nothing is trained.',
    }),
    do_predict: field(z.boolean().default(false), {
      help: 'Let the model reply to every row of the evaluation set, at the end; alone, without `do_train`, nothing is trained. `tunery predict` does it by itself.',
    }),
    output_dir: field(z.string().min(1).default('saves'), {
      help: 'Folder of the run: adapter or model, checkpoints, logs, events.',
    }),
    overwrite_output_dir: field(z.boolean().default(false), {
      help: 'True moves an earlier run to `<output_dir>.bak-N` (nothing is deleted); false resumes an unfinished run of the same kind and refuses any other.',
    }),
    resume_from_checkpoint: field(
      z
        .union([z.boolean(), z.string().refine((text) => !/^(true|false)$/i.test(text))])
        .default(false),
      {
        help: 'True goes on from the newest complete checkpoint, or starts where there is none; a folder names the checkpoint. It wins over `overwrite_output_dir`.',
      },
    ),
    per_device_train_batch_size: field(z.int().min(1).default(8), {
      help: 'Rows of one batch; times `gradient_accumulation_steps`, the rows of one optimizer step.',
      why: 'The default of Hugging Face.',
      unit: 'rows',
      aliases: ['per_gpu_train_batch_size'],
    }),
    gradient_accumulation_steps: field(z.int().min(1).default(1), {
      help: 'Batches of one optimizer step. The loss is a mean over all their learned tokens, so no split changes it.',
      unit: 'batches',
    }),
    global_batch_size: field(z.int().min(1).nullable().default(null), {
      help: 'Rows of one optimizer step on any number of devices; the accumulation follows from it.',
      unit: 'rows',
      level: 'advanced',
    }),
    micro_batch_tokens: field(z.union([z.literal('auto'), z.int().min(1)]).default('auto'), {
      help: 'Tokens that are computed at once; `auto` chooses by speed and memory. No result depends on it.',
      unit: 'tokens',
      level: 'advanced',
    }),
    learning_rate: field(z.number().min(0).default(5e-5), {
      help: 'Peak step size of the optimizer.',
      why: 'The default of Hugging Face; LoRA usually wants 1e-4 to 2e-4.',
      healthy: [1e-6, 1e-3],
    }),
    num_train_epochs: field(z.number().positive().default(3), {
      help: 'How often each row is learned; overruled by `max_steps`.',
    }),
    max_steps: field(z.int().min(-1).default(-1), {
      help: 'Optimizer steps of the run; -1 leaves it to `num_train_epochs`.',
      unset: [0],
    }),
    lr_scheduler_type: field(z.enum(schedulerTypes).default('linear'), {
      help: 'How the rate runs after warm-up, by Hugging Face’s names.',
      why: 'The default of Hugging Face.',
    }),
    lr_scheduler_kwargs: field(
      z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])).default({}),
      { help: 'More of the schedule, as `{min_lr: 1e-6}`.', level: 'advanced' },
    ),
    warmup_steps: field(z.number().min(0).default(0), {
      help: 'Steps in which the rate climbs to its peak; below 1, a share of all steps.',
      unit: 'steps',
    }),
    warmup_ratio: field(z.number().min(0).lt(1).default(0), {
      help: 'Share of all steps in which the rate climbs; the older spelling of `warmup_steps` below 1.',
    }),
    optim: field(z.enum(optimizers).default('adamw_torch'), {
      help: 'The optimizer: AdamW, its two moments in f32, or in 8 bits (`adamw_8bit`) for a quarter of their memory.',
      accepted: {
        adamw_torch_fused: 'the same AdamW, always fused here',
        paged_adamw_8bit: 'the same as `adamw_8bit`: on a CPU there is nothing to page out of',
      },
      later: { '*': adamOnly },
      level: 'advanced',
    }),
    loraplus_lr_ratio: field(z.number().positive().nullable().default(null), {
      help: 'LoRA+: how much faster than A each B of an adapter learns; unset learns both at one rate.',
      why: 'The paper (arXiv:2402.12354) takes 16.',
      aliases: ['lora_lr_ratio'],
      healthy: [1, 32],
      level: 'advanced',
    }),
    loraplus_lr_embedding: field(z.number().positive().default(1e-6), {
      help: 'LoRA+: the rate of adapters on embeddings, of which there are none.',
      accepted: { '*': 'adapters stand beside linear layers only, so nothing learns at this rate' },
      level: 'advanced',
    }),
    adam_beta1: field(z.number().min(0).lt(1).default(0.9), {
      help: 'AdamW’s memory of the gradient.',
      level: 'advanced',
    }),
    adam_beta2: field(z.number().min(0).lt(1).default(0.999), {
      help: 'AdamW’s memory of the squared gradient.',
      level: 'advanced',
    }),
    adam_epsilon: field(z.number().positive().default(1e-8), {
      help: 'What AdamW adds to its divisor.',
      level: 'advanced',
    }),
    weight_decay: field(z.number().min(0).default(0), {
      help: 'Pull of all weights but norms and biases to zero.',
      healthy: [0, 0.3],
    }),
    max_grad_norm: field(z.number().min(0).default(1), {
      help: 'Gradients longer than this are shortened to it; 0 leaves them.',
    }),
    seed: field(z.int().min(0).default(42), {
      help: 'Seed of everything random in a run, and of sampling.',
    }),
    bf16: field(z.boolean().default(false), {
      help: 'Hold frozen weights and activations as bfloat16, in half the memory.',
      unset: [false],
    }),
    fp16: field(z.boolean().default(false), {
      help: 'Compute in float16, with the loss scaled: for GPUs without bfloat16. The native engine takes it as `bf16`.',
      accepted: { true: 'bfloat16 is used instead, which needs no loss scaling' },
      servedBy: 'torch',
      level: 'advanced',
    }),
    gradient_checkpointing: field(
      z.union([z.boolean(), z.literal('selective')]).default('selective'),
      {
        help: 'What the backward pass computes again in place of keeping it: `selective` norms and activations (1 % of the time, a third of the memory), true whole blocks, false nothing. The numbers are the same.',
        why: 'Whole blocks cost a third more time. Nothing is padded here, so what is kept is small.',
      },
    ),
    disable_gradient_checkpointing: field(z.boolean().nullable().default(null), {
      help: 'LLaMA-Factory’s spelling: false is `gradient_checkpointing: true`, true leaves that at its default.',
      why: 'LLaMA-Factory recomputes whole blocks by default, for GPU memory’s sake; unset here is `gradient_checkpointing: selective`.',
      level: 'advanced',
    }),
    logging_steps: field(z.number().positive().default(10), {
      help: interval('How often a line goes to trainer_log.jsonl'),
      why: 'Hugging Face’s 500 shows nothing of a short run; events.jsonl has every step anyway.',
    }),
    logging_first_step: field(z.boolean().default(false), { help: 'Log the first step too.' }),
    logging_strategy: field(z.enum(['no', 'steps', 'epoch']).default('steps'), {
      help: 'When a line goes to trainer_log.jsonl.',
      level: 'advanced',
    }),
    save_strategy: field(z.enum(['no', 'steps', 'epoch', 'best']).default('steps'), {
      help: 'When a checkpoint is written; `best` is at each evaluation that is the best so far.',
    }),
    save_steps: field(z.number().positive().default(500), {
      help: interval('How often a checkpoint is written'),
    }),
    save_total_limit: field(z.int().min(1).nullable().default(null), {
      help: 'Keep so many checkpoints, the newest and the best; unset keeps all.',
    }),
    save_only_model: field(z.boolean().default(false), {
      help: 'Write checkpoints without the optimizer’s state: smaller, and no run can go on from them.',
      level: 'advanced',
    }),
    eval_strategy: field(z.enum(['no', 'steps', 'epoch']).default('no'), {
      help: 'When the loss on the evaluation rows is measured.',
      aliases: ['evaluation_strategy'],
    }),
    eval_steps: field(z.number().positive().default(10), {
      help: interval('How often the evaluation runs'),
      unset: [0],
    }),
    per_device_eval_batch_size: field(z.int().min(1).default(8), {
      help: 'Taken for compatibility: evaluation is cut by tokens, and its loss is the mean over all learned tokens.',
      aliases: ['per_gpu_eval_batch_size'],
      level: 'advanced',
    }),
    load_best_model_at_end: field(z.boolean().default(false), {
      help: 'End with the weights of the best evaluation, not the last step’s.',
    }),
    metric_for_best_model: field(z.string().default('loss'), {
      help: 'What makes an evaluation the best: `loss` or `perplexity`, with or without `eval_` before it.',
      level: 'advanced',
    }),
    greater_is_better: field(z.boolean().default(false), {
      help: 'Whether a higher `metric_for_best_model` is better.',
      level: 'advanced',
    }),
    early_stopping_steps: field(z.int().min(1).nullable().default(null), {
      help: 'Stop after so many evaluations in a row without a better one.',
      unit: 'evaluations',
    }),
    plot_loss: field(z.boolean().default(false), {
      help: 'Draw training_loss.svg at the end.',
    }),
    report_to: field(
      textList()
        .refine((names) => names.every((name) => name === 'none'))
        .default([]),
      {
        help: 'Services that follow the run; only `none`.',
        aliases: ['ppo_logger'],
        unset: ['none'],
        later: { '*': loggers },
        level: 'advanced',
      },
    ),
    run_name: field(z.string().nullable().default(null), {
      help: 'Name of the run in lists.',
      level: 'advanced',
    }),
    include_num_input_tokens_seen: field(
      z.union([z.boolean(), z.enum(['no', 'all', 'non_padding'])]).default(false),
      {
        help: 'Taken for compatibility: the tokens of each step are always in the logs.',
        accepted: { '*': 'the tokens of each step are always in the logs' },
        level: 'advanced',
      },
    ),
  },
  {
    derive: {
      bf16: { from: ['fp16', 'pure_bf16'], value: (v) => v.fp16 || v.pure_bf16 || undefined },
      do_train: {
        from: ['do_eval', 'do_predict'],
        value: (v, given) =>
          (given.training && !(given.has('do_eval') && v.do_eval) && !v.do_predict) || undefined,
      },
      do_eval: {
        from: ['eval_strategy'],
        value: (v) => v.eval_strategy !== 'no' || undefined,
      },
      output_dir: {
        from: ['model_name_or_path', 'finetuning_type', 'stage'],
        value: (v) => {
          const model = String(v.model_name_or_path ?? 'model')
            .replace(/[?#].*$/, '')
            .replace(/\.gguf$/i, '')
            .replace(/[\\/]+$/, '')
            .split(/[\\/:]/)
            .pop();
          return `saves/${(model || 'model').toLowerCase()}/${v.finetuning_type}/${v.stage}`;
        },
      },
      per_device_train_batch_size: {
        from: ['global_batch_size'],
        value: (v) =>
          v.global_batch_size === null ? undefined : greatestCommonDivisor(v.global_batch_size, 8),
      },
      gradient_accumulation_steps: {
        from: ['global_batch_size', 'per_device_train_batch_size'],
        value: (v) =>
          v.global_batch_size === null || v.global_batch_size % v.per_device_train_batch_size !== 0
            ? undefined
            : v.global_batch_size / v.per_device_train_batch_size,
      },
      warmup_steps: { from: ['warmup_ratio'], value: (v) => v.warmup_ratio || undefined },
      gradient_checkpointing: {
        from: ['disable_gradient_checkpointing'],
        value: (v) => (v.disable_gradient_checkpointing === false ? true : undefined),
      },
      eval_steps: { from: ['logging_steps'], value: (v) => v.logging_steps },
      greater_is_better: {
        from: ['metric_for_best_model'],
        value: (v) => !/(loss|perplexity)$/.test(v.metric_for_best_model) || undefined,
      },
    },
    rules: [
      (v) =>
        v.loraplus_lr_ratio !== null && v.finetuning_type !== 'lora'
          ? {
              keys: ['loraplus_lr_ratio', 'finetuning_type'],
              message: 'LoRA+ is about the halves of an adapter, and there is none',
              help: 'set `finetuning_type: lora`, or take `loraplus_lr_ratio` out',
            }
          : undefined,
      (v) =>
        v.disable_gradient_checkpointing === (v.gradient_checkpointing === true)
          ? {
              keys: ['disable_gradient_checkpointing', 'gradient_checkpointing'],
              message: 'one asks for recomputed blocks, and the other one for none',
              help: 'keep `gradient_checkpointing` alone',
            }
          : undefined,
      (v, given) =>
        v.warmup_steps > 0 && v.warmup_ratio > 0 && given.has('warmup_steps')
          ? {
              keys: ['warmup_steps', 'warmup_ratio'],
              message: 'both say how long the rate climbs',
              help: 'keep one; `warmup_steps` below 1 is a share of all steps',
            }
          : undefined,
      (v) =>
        v.global_batch_size !== null &&
        v.global_batch_size !== v.per_device_train_batch_size * v.gradient_accumulation_steps
          ? {
              keys: [
                'global_batch_size',
                'per_device_train_batch_size',
                'gradient_accumulation_steps',
              ],
              message: `a step of ${v.global_batch_size} rows is not ${v.per_device_train_batch_size} × ${v.gradient_accumulation_steps} rows`,
              help: 'set `global_batch_size` alone, or to their product',
            }
          : undefined,
      (v) => {
        const rows = Array.isArray(v.eval_dataset) && v.eval_dataset.length > 0;
        if (rows || (typeof v.val_size === 'number' && v.val_size > 0)) return undefined;
        const key =
          v.eval_strategy !== 'no' ? 'eval_strategy' : v.do_eval ? 'do_eval' : 'do_predict';
        if (!v[key]) return undefined;
        return {
          keys: [key, 'eval_dataset', 'val_size'],
          message: `\`${key}: ${v[key]}\` asks for an evaluation, and there are no rows to evaluate on`,
          help: 'name them in `eval_dataset`, or hold some back with `val_size: 0.1`',
        };
      },
      (v) =>
        v.load_best_model_at_end && v.eval_strategy === 'no'
          ? {
              keys: ['load_best_model_at_end', 'eval_strategy'],
              message: 'without an evaluation no checkpoint is known to be the best',
              help: 'set `eval_strategy: steps` (or `epoch`), or `load_best_model_at_end: false`',
            }
          : undefined,
      (v) =>
        v.load_best_model_at_end &&
        v.eval_strategy !== 'no' &&
        v.save_strategy !== 'best' &&
        v.save_strategy !== v.eval_strategy
          ? {
              keys: ['load_best_model_at_end', 'save_strategy', 'eval_strategy'],
              message: `the best evaluation must have a checkpoint, and \`save_strategy: ${v.save_strategy}\` does not save when \`eval_strategy: ${v.eval_strategy}\` evaluates`,
              help: `set \`save_strategy: ${v.eval_strategy}\`, or \`best\``,
            }
          : undefined,
      (v) => {
        if (!v.load_best_model_at_end || v.save_strategy !== 'steps') return undefined;
        if (v.eval_strategy !== 'steps') return undefined;
        const times = v.save_steps / v.eval_steps;
        return Math.abs(times - Math.round(times)) > 1e-9 || times < 1
          ? {
              keys: ['load_best_model_at_end', 'save_steps', 'eval_steps'],
              message: `each checkpoint needs an evaluation, and ${v.save_steps} steps are no multiple of ${v.eval_steps}`,
              help: 'set `save_steps` to a multiple of `eval_steps`, or `save_strategy: best`',
            }
          : undefined;
      },
      (v) =>
        v.save_strategy === 'best' && v.eval_strategy === 'no'
          ? {
              keys: ['save_strategy', 'eval_strategy'],
              message: 'without an evaluation nothing is ever the best, so nothing would be saved',
              help: 'set `eval_strategy: steps` (or `epoch`), or `save_strategy: steps`',
            }
          : undefined,
      (v) =>
        v.early_stopping_steps !== null && v.eval_strategy === 'no'
          ? {
              keys: ['early_stopping_steps', 'eval_strategy'],
              message: 'early stopping counts evaluations, and there is none',
              help: 'set `eval_strategy: steps` (or `epoch`), or take `early_stopping_steps` out',
            }
          : undefined,
      (v) =>
        v.lr_scheduler_type === 'reduce_lr_on_plateau' && v.eval_strategy === 'no'
          ? {
              keys: ['lr_scheduler_type', 'eval_strategy'],
              message:
                '`reduce_lr_on_plateau` follows the evaluation’s loss, and there is no evaluation',
              help: 'set `eval_strategy: steps` (or `epoch`), or take another schedule',
            }
          : undefined,
      (v, given) =>
        given.command === 'train' && v.do_train && Array.isArray(v.dataset) && !v.dataset.length
          ? {
              keys: ['dataset'],
              message: 'there is nothing to train on',
              help: 'name data sets in `dataset`, as `identity,alpaca_en_demo` or as the path of a file',
            }
          : undefined,
      (v, { command }) =>
        (v.do_predict || command === 'predict') && v.stage === 'pt'
          ? {
              keys: ['do_predict', 'stage'],
              message: 'predictions are replies to conversations, and `stage: pt` has plain text',
              help: 'set `stage: sft`, and name conversations in `eval_dataset`',
            }
          : undefined,
      (v, given) =>
        given.training && !v.do_train && !v.do_eval && !v.do_predict
          ? {
              keys: ['do_train', 'do_eval'],
              message: 'both are false, so there is nothing to do',
              help: 'set `do_train: true`',
            }
          : undefined,
    ],
  },
);
export type TrainSettings = SectionOf<typeof trainSection>;
