/** @file The user's DeepSpeed file, made ready: its `auto` filled in, what the run decides put in its place, conflicts named. */
import { isJsonObject, type JsonObject, type JsonValue, readJson } from '../../files/json.ts';
import type { Job } from '../../train/job.ts';
import { deepspeedConflict, deepspeedRefused } from '../errors.ts';
import { orderOfJob } from '../plan-of-job.ts';
import type { TaskInput } from './torch-task.ts';

export type DeepspeedConfig = { readonly config: JsonObject; readonly notes: readonly string[] };

const sizes = ['train_batch_size', 'train_micro_batch_size_per_gpu', 'gradient_accumulation_steps'];

/**
 * A step's rows, its rate and its optimizer are the run's: sizes that say otherwise are a conflict, and the file's own
 * optimizer and scheduler are told and left out. Everything else stays as it is written.
 */
export function deepspeedConfig(
  given: string | Readonly<Record<string, unknown>>,
  job: Job,
  { world, config: model }: Pick<TaskInput, 'world' | 'config'>,
): DeepspeedConfig {
  const file = typeof given === 'string' ? given : 'deepspeed';
  const read = typeof given === 'string' ? readJson(given) : (given as JsonObject);
  if (!isJsonObject(read)) throw deepspeedRefused(file, 'it is no JSON object');
  const { train } = job;
  const notes: string[] = [];
  const { batch, accumulation } = orderOfJob(job);
  const rows = batch * accumulation;
  // How a rank cuts its rows is the engine's, so the other two sizes have no say.
  const { train_batch_size: written = 'auto' } = read;
  if (written !== 'auto' && written !== rows) {
    throw deepspeedConflict(
      file,
      'train_batch_size',
      String(written),
      `a step of this run has ${rows} rows`,
    );
  }
  const clipping = read['gradient_clipping'];
  if (typeof clipping === 'number' && clipping !== train.max_grad_norm) {
    throw deepspeedConflict(
      file,
      'gradient_clipping',
      String(clipping),
      `\`max_grad_norm\` is ${train.max_grad_norm}`,
    );
  }
  const config: Record<string, JsonValue> = { ...read };
  for (const key of ['optimizer', 'scheduler']) {
    if (config[key] === undefined) continue;
    delete config[key];
    notes.push(`\`${key}\` of ${file} is left out: the run's own settings decide it`);
  }
  const hidden = Number(model['hidden_size'] ?? 0);
  const zero = isJsonObject(config['zero_optimization']) ? { ...config['zero_optimization'] } : {};
  // As transformers fills them in.
  const auto: Readonly<Record<string, number>> = {
    reduce_bucket_size: hidden * hidden,
    stage3_prefetch_bucket_size: Math.floor(0.9 * hidden * hidden),
    stage3_param_persistence_threshold: 10 * hidden,
  };
  for (const [key, value] of Object.entries(auto)) if (zero[key] === 'auto') zero[key] = value;
  const isOn = (value: JsonValue | undefined): boolean =>
    isJsonObject(value) && value['enabled'] === true;
  if (isOn(config['fp16'])) {
    notes.push(
      `\`fp16\` of ${file} is ${train.bf16 ? 'served as bf16' : 'left out'}: precision is the run's own \`bf16\`${world.device === 'cpu' ? ', and a CPU has no fp16' : ''}`,
    );
  }
  if (isOn(config['bf16']) && !train.bf16) {
    throw deepspeedConflict(file, 'bf16', '{"enabled": true}', '`bf16` is false in the settings');
  }
  delete config['fp16'];
  delete config['bf16'];
  for (const key of sizes) delete config[key];
  return {
    notes,
    config: {
      ...config,
      // A batch of ours is whatever the cut of the step gives; where a step ends is said to DeepSpeed each time.
      train_batch_size: world.size,
      train_micro_batch_size_per_gpu: 1,
      gradient_accumulation_steps: 1,
      gradient_clipping: train.max_grad_norm,
      zero_optimization: zero,
      // Weights that learn are f32, and torch computes in bf16 around them.
      ...(train.bf16 ? { torch_autocast: { enabled: true, dtype: 'bfloat16' } } : {}),
      zero_allow_untested_optimizer: true,
      zero_force_ds_cpu_optimizer: false,
      steps_per_print: 1e9,
    },
  };
}
