/** @file The fingerprint of a run: all that decides its result, and in words how two of them differ. */
import { z } from 'zod';
import { digestOf } from '../files/digest.ts';
import { quantizationOf } from '../models/hold.ts';
import type { Job } from '../train/job.ts';

export const fingerprintName = 'fingerprint.json';

const Setting = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  z.null(),
  z.array(z.string()),
  z.record(z.string(), z.unknown()),
]);

export const Fingerprint = z.object({
  schema: z.literal(1),
  model: z.object({ name: z.string(), digest: z.string() }),
  /** Of the Prepared set: rows, template, tokenizer, and every key that made them. */
  data: z.object({ names: z.array(z.string()), digest: z.string() }),
  /** Of what orders the rows, without how many steps there are: more epochs only add to a plan. */
  plan: z.string(),
  /** Of the adapter that training goes on from. */
  adapter: z.string().nullable(),
  settings: z.record(z.string(), Setting),
  /** Version of Tunery. */
  code: z.string(),
  /** Path of the kernels: the result is equal bit for bit only on the same one. */
  isa: z.string(),
});
export type Fingerprint = z.infer<typeof Fingerprint>;

/** Nothing that is learned depends on these; all other keys of `train`, `tuning` and `method` count. */
const withoutEffect: ReadonlySet<string> = new Set([
  'output_dir',
  'overwrite_output_dir',
  'resume_from_checkpoint',
  'do_train',
  'do_eval',
  'do_predict',
  'disable_gradient_checkpointing',
  'gradient_checkpointing',
  'logging_steps',
  'logging_first_step',
  'logging_strategy',
  'save_strategy',
  'save_steps',
  'save_total_limit',
  'save_only_model',
  'per_device_eval_batch_size',
  'plot_loss',
  'report_to',
  'run_name',
  'include_num_input_tokens_seen',
  // Resolved into others: `bf16`, `warmup_steps`, and the two that make a step.
  'fp16',
  'pure_bf16',
  'warmup_ratio',
  'global_batch_size',
]);

/** These count only where an evaluation can change which weights come out. */
const ofEvaluation: readonly string[] = [
  'eval_strategy',
  'eval_steps',
  'metric_for_best_model',
  'greater_is_better',
];

/** How long the run is: an earlier one may be gone on with to another end. */
const length: ReadonlySet<string> = new Set(['num_train_epochs', 'max_steps']);

/** What the parameters and the steps are: no run goes on with another of these. */
const shape: ReadonlySet<string> = new Set([
  'stage',
  'finetuning_type',
  'lora_rank',
  'lora_alpha',
  'lora_target',
  'additional_target',
  'per_device_train_batch_size',
  'gradient_accumulation_steps',
]);

export type FingerprintParts = Pick<Fingerprint, 'plan' | 'adapter' | 'code' | 'isa'> & {
  readonly job: Pick<Job, 'train' | 'tuning' | 'method' | 'data' | 'model'>;
  readonly modelDigest: string;
  readonly dataDigest: string;
  /** Of the evaluation's rows, where there are some. */
  readonly evaluationDigest?: string | undefined;
};

export function fingerprintOf(parts: FingerprintParts): Fingerprint {
  const { train, tuning, method, data, model } = parts.job;
  const evaluationDecides =
    train.load_best_model_at_end ||
    train.early_stopping_steps !== null ||
    train.lr_scheduler_type === 'reduce_lr_on_plateau';
  // What the frozen base is held as decides what is learned beside it.
  const { quantization_bit, quantization_method, quantization_type, double_quantization } = model;
  const { base_compute } = model;
  const held = {
    quantization_bit,
    quantization_method,
    quantization_type,
    double_quantization,
    base_compute,
  };
  const quantization = quantizationOf(model) === null ? {} : held;
  const settings = Object.entries({ ...train, ...tuning, ...method, ...quantization }).filter(
    ([key]) => !withoutEffect.has(key) && (evaluationDecides || !ofEvaluation.includes(key)),
  );
  return {
    schema: 1,
    model: { name: model.model_name_or_path, digest: parts.modelDigest },
    data: {
      names: [...data.dataset, ...(evaluationDecides ? data.eval_dataset : [])],
      digest:
        evaluationDecides && parts.evaluationDigest !== undefined
          ? digestOf(parts.dataDigest, parts.evaluationDigest)
          : parts.dataDigest,
    },
    plan: parts.plan,
    adapter: parts.adapter,
    // By way of JSON, so that it equals what is read back from a file.
    settings: z
      .record(z.string(), Setting)
      .parse(JSON.parse(JSON.stringify(Object.fromEntries(settings)))),
    code: parts.code,
    isa: parts.isa,
  };
}

/** One line for events and for equality: of all that decides the result but the instruction set, which is told apart. */
export function fingerprintDigest({ isa: _, ...rest }: Fingerprint): string {
  return digestOf(canonical({ ...rest, model: rest.model.digest, data: rest.data.digest }));
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

export type Difference = {
  /** `identity`: another run altogether. `length`: to another end. `course`: goes on otherwise. `bits`: the same up to rounding. */
  readonly kind: 'identity' | 'length' | 'course' | 'bits';
  readonly words: string;
};

/** How `now` differs from `before`, in words. */
export function difference(before: Fingerprint, now: Fingerprint): Difference[] {
  const found: Difference[] = [];
  const add = (kind: Difference['kind'], words: string): void => void found.push({ kind, words });
  const brief = (digest: string): string => digest.slice(0, 12);
  if (before.model.digest !== now.model.digest) {
    add(
      'identity',
      before.model.name === now.model.name
        ? `the model \`${now.model.name}\` has other weights (${brief(before.model.digest)} before, ${brief(now.model.digest)} now)`
        : `the model was \`${before.model.name}\` and is now \`${now.model.name}\``,
    );
  }
  if (before.data.digest !== now.data.digest) {
    const [was, is] = [before.data.names.join(', '), now.data.names.join(', ')];
    add(
      'identity',
      was === is
        ? `the data of \`${is}\` changed: its rows, the template, the tokenizer, or a key that makes them (${brief(before.data.digest)} before, ${brief(now.data.digest)} now)`
        : `the data were \`${was}\` and are now \`${is}\``,
    );
  }
  for (const key of new Set([...Object.keys(before.settings), ...Object.keys(now.settings)])) {
    const [was, is] = [before.settings[key], now.settings[key]].map((value) =>
      value === undefined ? 'unset' : canonical(value),
    );
    if (was === is) continue;
    const kind = length.has(key) ? 'length' : shape.has(key) ? 'identity' : 'course';
    add(kind, `\`${key}\` was ${was} and is now ${is}`);
  }
  if (before.plan !== now.plan && !found.some(({ kind }) => kind === 'identity')) {
    add('identity', 'the order of the rows changed (`data_seed`, `disable_shuffling`)');
  }
  if (before.adapter !== now.adapter) {
    add(
      'identity',
      before.adapter === null
        ? 'it did not start from an adapter (`adapter_name_or_path`), and now does'
        : now.adapter === null
          ? 'it started from an adapter (`adapter_name_or_path`), and now does not'
          : 'it started from another adapter (`adapter_name_or_path`)',
    );
  }
  if (before.code !== now.code) add('bits', `Tunery was ${before.code} and is now ${now.code}`);
  if (before.isa !== now.isa) {
    add('bits', `the kernels’ instruction set was ${before.isa} and is now ${now.isa}`);
  }
  return found;
}
