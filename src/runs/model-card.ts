/** @file README.md of a finished run: the model card, as hubs read it and people do. */

import { basename, isAbsolute } from 'node:path';
import { formatCount } from '../core/units.ts';
import type { Job } from '../train/job.ts';
import type { Progress, Results } from './logs.ts';

export type CardParts = {
  readonly job: Pick<Job, 'model' | 'data' | 'tuning' | 'method' | 'train'>;
  readonly progress: Progress;
  readonly evaluation: Results | undefined;
  /** Version of Tunery. */
  readonly version: string;
};

export function modelCard({ job, progress, evaluation, version }: CardParts): string {
  const { model, data, tuning, method, train } = job;
  const base = publicName(model.model_name_or_path);
  const { finetuning_type: type } = tuning;
  const adapted = type !== 'full';
  const name = basename(train.output_dir);
  const tags = [
    ...(adapted ? [`base_model:adapter:${base}`, type] : []),
    'tunery',
    method.stage,
    'transformers',
  ];
  const rows = train.per_device_train_batch_size * train.gradient_accumulation_steps;
  const trainLoss = progress.step === 0 ? undefined : progress.loss_sum / progress.step;
  const figures = {
    'Training loss (mean of all steps)': trainLoss,
    'Evaluation loss': evaluation?.['eval_loss'],
    Perplexity: evaluation?.['perplexity'],
  };
  return `---
library_name: ${adapted ? 'peft' : 'transformers'}
license: other
base_model: ${JSON.stringify(base)}
pipeline_tag: text-generation
tags:
${tags.map((tag) => `- ${JSON.stringify(tag)}`).join('\n')}
model-index:
- name: ${JSON.stringify(name)}
  results: []
---

# ${name}

${adapted ? `${type === 'oft' ? 'An OFT' : 'A LoRA'} adapter of \`${base}\`` : `A fine-tuned version of \`${base}\``}, trained on ${data.dataset.map((each) => `\`${publicName(each)}\``).join(', ')} (${method.stage}) with Tunery ${version}.

${Object.entries(figures)
  .filter(([, value]) => value !== undefined)
  .map(([what, value]) => `- ${what}: ${value!.toFixed(4)}`)
  .join('\n')}

## Training procedure

### Hyperparameters

- learning_rate: ${train.learning_rate}
- train_batch_size: ${train.per_device_train_batch_size}
- gradient_accumulation_steps: ${train.gradient_accumulation_steps}
- total_train_batch_size: ${rows}
- seed: ${train.seed}
- optimizer: AdamW with betas (${train.adam_beta1}, ${train.adam_beta2}), epsilon ${train.adam_epsilon}, weight decay ${train.weight_decay}
- lr_scheduler_type: ${train.lr_scheduler_type}
- warmup_steps: ${train.warmup_steps}
- ${train.max_steps > 0 ? `training_steps: ${train.max_steps}` : `num_epochs: ${train.num_train_epochs}`}
- cutoff_len: ${data.cutoff_len}
${adapted ? `- lora_rank: ${tuning.lora_rank}, lora_alpha: ${tuning.lora_alpha}, lora_dropout: ${tuning.lora_dropout}, lora_target: ${tuning.lora_target.join(', ')}\n` : ''}
### Results

${resultsTable(progress)}

Tokens read: ${formatCount(progress.tokens.read)}; learned: ${formatCount(progress.tokens.supervised)}.
`;
}

/** Hub names stay; a folder of this machine is nobody else's business. */
const publicName = (name: string): string => (isAbsolute(name) ? basename(name) : name);

function resultsTable({ log_history: history }: Progress): string {
  const evaluations = history.filter((entry) => entry['eval_loss'] !== undefined);
  const shown = evaluations.length > 0 ? evaluations : thinned(history, 12);
  const lossAt = (step: number): number | undefined =>
    history.findLast((entry) => entry['loss'] !== undefined && entry.step <= step)?.['loss'];
  const cell = (value: number | undefined): string =>
    value === undefined ? '–' : value.toFixed(4);
  const lines = shown.map(
    (entry) =>
      `| ${cell(lossAt(entry.step))} | ${entry.epoch.toFixed(4)} | ${entry.step} | ${cell(entry['eval_loss'])} |`,
  );
  return [
    '| Training loss | Epoch | Step | Validation loss |',
    '|:---:|:---:|:---:|:---:|',
    ...lines,
  ].join('\n');
}

function thinned(
  history: Progress['log_history'],
  most: number,
): readonly Progress['log_history'][number][] {
  const losses = history.filter((entry) => entry['loss'] !== undefined);
  const every = Math.ceil(losses.length / most);
  return losses.filter((_, i) => i % every === every - 1 || i === losses.length - 1);
}
