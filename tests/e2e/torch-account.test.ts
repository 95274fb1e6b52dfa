/** @file What each rank of torch takes, beside what `estimate --gpu` says of it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  compileDeepspeed,
  deep,
  full,
  has,
  type Settings,
  there,
  torch,
  torchRuns,
  two,
} from './torch-runs.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

describe.runIf(there)('the torch engine’s memory', () => {
  const { place, asArguments } = torchRuns();
  beforeAll(compileDeepspeed, 600_000);
  afterAll(() => place.remove());

  describe.runIf(deep)(
    'each rank takes what `estimate --gpu` says, class by class within a tenth',
    () => {
      const zero = (stage: number): Settings => ({ deepspeed: `account${stage}.json` });
      beforeAll(() => {
        for (const stage of [1, 2, 3]) {
          const auto = {
            reduce_bucket_size: 'auto',
            stage3_prefetch_bucket_size: 'auto',
            stage3_param_persistence_threshold: 'auto',
          };
          const config = { zero_optimization: { stage, ...auto } };
          writeFileSync(place.at(`account${stage}.json`), JSON.stringify(config));
        }
      });
      const layouts: readonly [string, Settings][] = [
        ['DDP', {}],
        ['FSDP2', { fsdp: 'full_shard' }],
        ...(has('deepspeed')
          ? [1, 2, 3].map((stage): [string, Settings] => [`ZeRO ${stage}`, zero(stage)])
          : []),
      ];
      const ways: readonly [string, Settings][] = [
        ['full', { ...full, gradient_checkpointing: false }],
        ['LoRA, bf16', { bf16: true, gradient_checkpointing: false }],
      ];
      const cases = layouts.flatMap(([layout, a]) =>
        ways.map(([way, b]): [string, Settings] => [`${layout}, ${way}`, { ...a, ...b }]),
      );

      test.each(cases)('%s', async (name, settings) => {
        const steps = { max_steps: 2, micro_batch_tokens: 300, save_strategy: 'no' };
        const job = asArguments('account', torch, two, settings, steps, {
          overwrite_output_dir: true,
          model_name_or_path:
            'random:llama?hidden_size=128&intermediate_size=256&num_hidden_layers=4',
        });
        const ended = await place.run('train', ...job, '--profile', 'account.json');
        expect(ended, ended.err).toMatchObject({ code: 0 });
        type Kinds = Readonly<Record<string, number>>;
        const { ranks } = JSON.parse(readFileSync(place.at('account.json'), 'utf8')) as {
          ranks: readonly { predicted: Kinds; measured: Kinds }[];
        };
        expect(ranks).toHaveLength(2);
        for (const { predicted, measured } of ranks) {
          // What FSDP2 and DeepSpeed send passes too quickly to be counted.
          for (const kind of Object.keys(measured)) {
            const [said = 0, was = 0] = [predicted[kind], measured[kind]];
            if (kind === 'communication' && was === 0) continue;
            console.log(`${name}: ${kind} ${said} for ${was}`);
            // Scalars, and padding to whole blocks of memory, weigh in so small a model alone.
            expect(Math.abs(said - was), `${kind}: ${said} for ${was}`).toBeLessThan(
              was / 10 + 8192,
            );
          }
        }
      });
    },
  );
});
