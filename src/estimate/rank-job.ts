/** @file A job's settings as what the memory of its ranks depends on. */
import type { Job } from '../train/job.ts';
import type { ModelShape } from './model-shape.ts';
import type { RankCuts } from './rank-cuts.ts';
import type { RankInput, Strategy } from './ranks.ts';

export type Layout = {
  readonly strategy: Strategy;
  readonly ranks: number;
  readonly offload: boolean;
  readonly device: 'cpu' | 'cuda';
};

/** As `workers/torch/attention.py` chooses it on a GPU. */
function attentionOf(
  asked: string,
  device: Layout['device'],
  bf16: boolean,
): RankInput['passing']['attention'] {
  if (asked === 'disabled') return 'eager';
  if (asked.startsWith('fa')) return 'flash';
  if (device === 'cpu') return 'sdpa';
  return bf16 ? 'flash' : 'efficient';
}

export function rankInput(
  { train, tuning, model: settings }: Pick<Job, 'train' | 'tuning' | 'model'>,
  model: ModelShape,
  adapterTargets: readonly string[],
  layout: Layout,
  cuts: RankCuts,
): RankInput {
  const { flash_attn: attention, quantization_bit: bits, double_quantization: nested } = settings;
  const targets = tuning.lora_target.includes('all')
    ? adapterTargets
    : tuning.lora_target.map((name) => name.slice(name.lastIndexOf('.') + 1));
  return {
    ...{ ...layout, ...cuts, model },
    passing: {
      attention: attentionOf(attention, layout.device, train.bf16),
      adapter:
        tuning.finetuning_type === 'full'
          ? undefined
          : { rank: tuning.lora_rank, dropout: tuning.lora_dropout > 0, targets },
      checkpointing: train.gradient_checkpointing === true,
    },
    bf16: train.bf16,
    quantization: bits === null ? null : { bits, nested },
    optimizer8bit: train.optim.includes('8bit'),
  };
}
