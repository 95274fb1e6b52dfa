import { expect, test } from 'vitest';
import { loadConfig } from '../src/config/load.ts';
import type { JsonObject } from '../src/files/json.ts';
import { deepspeedConfig } from '../src/runs/engines/deepspeed.ts';
import { worldOf } from '../src/runs/engines/torch-world.ts';

const settings = [
  'engine=torch',
  'model_name_or_path=x',
  'dataset=y',
  'nproc_per_node=2',
  'use_cpu=true',
];

function made(given: JsonObject, ...more: string[]) {
  const { job } = loadConfig({ command: 'train', overrides: [...settings, ...more] });
  return deepspeedConfig(given, job, { world: worldOf(job.engine), config: { hidden_size: 100 } });
}

test('`auto` is filled in as transformers does, and what the run decides takes its place', () => {
  const zero = {
    stage: 3,
    reduce_bucket_size: 'auto',
    stage3_prefetch_bucket_size: 'auto',
    stage3_param_persistence_threshold: 'auto',
    overlap_comm: false,
  };
  const { config, notes } = made({
    train_batch_size: 'auto',
    train_micro_batch_size_per_gpu: 'auto',
    gradient_clipping: 'auto',
    zero_optimization: zero,
    bf16: { enabled: 'auto' },
  });
  expect(config).toMatchObject({
    // Each rank's batch is one cut of ours.
    train_batch_size: 2,
    train_micro_batch_size_per_gpu: 1,
    gradient_accumulation_steps: 1,
    gradient_clipping: 1,
    zero_optimization: {
      stage: 3,
      reduce_bucket_size: 10_000,
      stage3_prefetch_bucket_size: 9000,
      stage3_param_persistence_threshold: 1000,
      overlap_comm: false,
    },
  });
  expect(config).not.toHaveProperty('bf16');
  expect(notes).toEqual([]);
});

test('rows of a step that differ are a conflict, counted over all ranks', () => {
  // 4 rows a batch, 2 batches, 2 ranks.
  const batch = ['per_device_train_batch_size=4', 'gradient_accumulation_steps=2'];
  expect(() => made({ train_batch_size: 64 }, ...batch)).toThrow(
    /`train_batch_size` is 64 in the DeepSpeed file, and a step of this run has 16 rows/,
  );
  expect(() => made({ train_batch_size: 16 }, ...batch)).not.toThrow();
  expect(() =>
    made({ train_batch_size: 8 }, 'per_device_train_batch_size=4', 'global_batch_size=8'),
  ).not.toThrow();
});

test('clipping and precision that differ are conflicts, an optimizer and fp16 are told', () => {
  expect(() => made({ gradient_clipping: 0.5 })).toThrow(
    /`gradient_clipping` is 0.5 .* `max_grad_norm` is 1/,
  );
  expect(() => made({ bf16: { enabled: true } })).toThrow(/`bf16` is .*false in the settings/);
  const { config, notes } = made({ optimizer: { type: 'Adam' }, fp16: { enabled: true } });
  expect(config).not.toHaveProperty('optimizer');
  expect(config).not.toHaveProperty('fp16');
  expect(notes).toEqual([
    "`optimizer` of deepspeed is left out: the run's own settings decide it",
    "`fp16` of deepspeed is left out: precision is the run's own `bf16`, and a CPU has no fp16",
  ]);
});
