/** @file Which model a command uses: with the file of a training, what that training has left in its folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelSettings } from '../models/settings.ts';
import { checkpointSteps } from '../train/checkpoint.ts';
import type { Job } from '../train/job.ts';

export type TrainedModel = {
  readonly model: ModelSettings;
  /** One line that says which it is, where the settings alone do not. */
  readonly note: string | undefined;
};

/**
 * The model's settings with the adapter, or the model, that the run in `output_dir` has left. Settings that name an
 * adapter, or are of no training, stay as they are. `given`: whether the user set a key.
 */
export function trainedModel(
  { model, tuning, train, data }: Pick<Job, 'model' | 'tuning' | 'train' | 'data'>,
  given: (key: string) => boolean,
): TrainedModel {
  const isTraining = given('output_dir') || data.dataset.length > 0;
  if (!isTraining || model.adapter_name_or_path.length > 0) return { model, note: undefined };
  const { output_dir: folder } = train;
  const lora = tuning.finetuning_type !== 'full';
  const what = lora ? 'adapter' : 'model';
  if (holds(folder, lora)) {
    return {
      model: trainedBy({ model, tuning, train }),
      note: `with the ${what} that was trained in ${folder}`,
    };
  }
  const checkpoint = checkpointSteps(folder)
    .map((step) => join(folder, `checkpoint-${step}`))
    .find((place) => holds(place, lora));
  const key = lora ? 'adapter_name_or_path' : 'model_name_or_path';
  return {
    model,
    note:
      checkpoint === undefined
        ? `nothing has been trained in ${folder} yet: this is the base model`
        : `the run in ${folder} has not finished: this is the base model (\`${key}=${checkpoint}\` takes its last checkpoint)`,
  };
}

/** The model's settings with what a training of these settings has left: earlier adapters stay before the one that learned. */
export function trainedBy({
  model,
  tuning,
  train,
}: Pick<Job, 'model' | 'tuning' | 'train'>): ModelSettings {
  const { output_dir: folder } = train;
  const { adapter_name_or_path: adapters } = model;
  return tuning.finetuning_type === 'full'
    ? { ...model, model_name_or_path: folder, adapter_name_or_path: [] }
    : { ...model, adapter_name_or_path: [...adapters.slice(0, -1), folder] };
}

const holds = (folder: string, lora: boolean): boolean =>
  (lora
    ? ['adapter_model.safetensors']
    : ['model.safetensors', 'model.safetensors.index.json']
  ).some((name) => existsSync(join(folder, name)));
