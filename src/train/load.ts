/** @file The model of a job, ready to learn: loaded as its settings say, and tuned. One home for the engine and for its dry run. */
import type { Memory } from '../engine/memory.ts';
import { quantizationOf } from '../models/hold.ts';
import { type LoadedModel, loadModel } from '../models/load.ts';
import type { ModelSource } from '../models/source.ts';
import { tunings } from '../tuning/index.ts';
import type { StoredAdapter } from '../tuning/peft-adapter.ts';
import type { Tuned } from '../tuning/tuning.ts';
import type { Job } from './job.ts';

export function loadToTrain(job: Job, source: ModelSource, memory: Memory): Promise<LoadedModel> {
  const { everyWeight } = tunings[job.tuning.finetuning_type];
  return loadModel(source, {
    memory,
    dtype: job.train.bf16 && !everyWeight ? 'bf16' : 'f32',
    quantization: quantizationOf(job.model),
  });
}

export const tune = (
  job: Job,
  { family, model }: LoadedModel,
  memory: Memory,
  adapters: readonly StoredAdapter[],
): Tuned =>
  tunings[job.tuning.finetuning_type].apply(model, {
    settings: job.tuning,
    memory,
    seed: job.train.seed,
    adapterTargets: family.adapterTargets,
    baseModel: job.model.model_name_or_path,
    adapters,
  });
