/**
 * @file How well `tunery estimate` predicts: peak memory and time of a step, beside what the engine then takes.
 *
 * `node bench/estimate.ts [NAME …] [--steps 4] [--rounds 1] [--seed 1] [--prefix COMMAND]`. Six configurations of
 * SmolLM2-135M on the job's rows, and three random models with settings drawn by the seed. A step's time is the mean of
 * all but the first two. Of several rounds, each over all configurations, the median is what a prediction is off by: an estimate
 * and a training a minute apart may find the machine in another state.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { estimated, type Settings, trained } from './account.ts';
import { jobSettings, smollm2, writeRows } from './job.ts';
import { median, report } from './report.ts';
import { variants } from './variants.ts';

const { values, positionals } = parseArgs({
  options: {
    steps: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    prefix: { type: 'string', default: '' },
  },
  allowPositionals: true,
});

const onSmollm2 = (settings: Settings): Settings => ({ model_name_or_path: smollm2, ...settings });
const fixed: Readonly<Record<string, Settings>> = {
  f32: onSmollm2(variants.f32.settings),
  bf16: onSmollm2(variants.bf16.settings),
  int8: onSmollm2(variants.int8.settings),
  nf4: onSmollm2(variants.nf4.settings),
  full: onSmollm2(variants.full.settings),
  checkpointed: onSmollm2({ ...variants.f32.settings, gradient_checkpointing: true }),
};

/** A number below `of`, the same for a seed wherever it runs (Park & Miller 1988). */
function drawer(seed: number): (of: number) => number {
  let state = (seed % 2147483646) + 1;
  return (of) => {
    state = (state * 48271) % 2147483647;
    return state % of;
  };
}

/** A random model with random settings. */
function drawn(draw: (of: number) => number): Settings {
  const pick = <T>(...of: readonly T[]): T => of[draw(of.length)];
  const heads = pick(4, 6, 8);
  const width = heads * 64;
  const model = {
    hidden_size: width,
    intermediate_size: width * pick(2, 3, 4),
    num_hidden_layers: pick(4, 6, 8),
    num_attention_heads: heads,
    num_key_value_heads: pick(2, heads),
    vocab_size: pick(1000, 8000, 32000),
  };
  const query = Object.entries(model).map(([key, value]) => `${key}=${value}`);
  return {
    model_name_or_path: `random:llama?${query.join('&')}`,
    ...pick<Settings>(
      { finetuning_type: 'full', learning_rate: 1e-4 },
      { finetuning_type: 'lora', lora_rank: 4 },
      { finetuning_type: 'lora', lora_rank: 32 },
    ),
    bf16: pick(true, false),
    gradient_checkpointing: pick<string | boolean>('selective', true, false),
    micro_batch_tokens: pick<string | number>('auto', 512, 2048),
    cutoff_len: pick(256, 512, 1024),
  };
}

const draw = drawer(Number(values.seed));
const all: Readonly<Record<string, Settings>> = {
  ...fixed,
  ...Object.fromEntries([1, 2, 3].map((i) => [`drawn ${i}`, drawn(draw)])),
};
const length = { steps: Number(values.steps) - 1, warmup: 1 };
const prefix = values.prefix.split(' ').filter((word) => word !== '');
const folder = mkdtempSync(join(tmpdir(), 'tunery-bench-estimate-'));
try {
  const dataset = writeRows(folder, 'rows', length);
  const percent = (share: number): string =>
    `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)} %`;
  console.log(`${''.padEnd(14)} memory  predicted  measured           step  predicted  measured`);
  const names = positionals.length > 0 ? positionals : Object.keys(all);
  const offs = new Map(
    names.map((name) => [name, { memory: [] as number[], step: [] as number[] }]),
  );
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [name, { memory, step }] of offs) {
      const settings = { dataset, ...jobSettings('rows', length), ...all[name] };
      const said = await estimated(settings, { cwd: folder, prefix });
      const was = await trained(settings, { cwd: folder, prefix });
      memory.push(said.memory.total / was.memory - 1);
      step.push(said.step.seconds / was.secondsPerStep - 1);
      console.log(
        `${name.padEnd(14)} ${`${(said.memory.total / 1e9).toFixed(3)} GB`.padStart(17)} ${`${(was.memory / 1e9).toFixed(3)} GB`.padStart(9)} ${percent(memory[round]).padStart(8)} ${`${said.step.seconds.toFixed(2)} s`.padStart(16)} ${`${was.secondsPerStep.toFixed(2)} s`.padStart(9)} ${percent(step[round]).padStart(8)}`,
      );
    }
  }
  for (const [name, { memory, step }] of offs) {
    report({
      name: `${name}: predicted memory is off by`,
      value: median(memory.map(Math.abs)),
      unit: '',
      goal: { atMost: 0.05 },
    });
    report({
      name: `${name}: predicted time is off by`,
      value: median(step.map(Math.abs)),
      unit: '',
      goal: { atMost: 0.2 },
    });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
