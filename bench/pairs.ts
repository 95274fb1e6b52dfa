/**
 * @file What sharing a prompt between the replies to it saves: forward and backward passes of SmolLM2-135M with LoRA over
 * preference pairs, with each prompt read once and with a copy of it before each reply, in turns.
 *
 * `node bench/pairs.ts --data FOLDER [--dataset dpo_en_demo] [--pairs N] [--rounds N]`; FOLDER has dataset_info.json. The
 * second set is made of the same texts: three replies of other rows before each prompt, so that prompts are long.
 * Beside each figure stands what the tokens allow: all that are read without sharing, by those with it.
 */
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/config/load.ts';
import { Memory } from '../src/engine/memory.ts';
import {
  apart,
  cutMicroBatches,
  layOut,
  type RepliesRow,
  type Row,
} from '../src/engine/micro-batches.ts';
import { within } from '../src/engine/session.ts';
import { Tape } from '../src/engine/tape.ts';
import { fill } from '../src/kernels/elementwise.ts';
import { loadModel } from '../src/models/load.ts';
import { openModel } from '../src/models/source.ts';
import { prepareJob } from '../src/runs/prepare-job.ts';
import { microBatchTokens } from '../src/train/micro-batch-tokens.ts';
import { policyOf } from '../src/train/policy.ts';
import { tunings } from '../src/tuning/index.ts';
import { median, report } from './report.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    dataset: { type: 'string', default: 'dpo_en_demo' },
    pairs: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
  },
});
if (values.data === undefined) throw new Error('--data FOLDER is missing');
const { job } = loadConfig({
  file: 'examples/smollm2_lora_sft.yaml',
  overrides: ['stage=dpo', `dataset=${values.dataset}`, `dataset_dir=${values.data}`],
  command: 'data',
});
const source = await openModel(job.model.model_name_or_path);
const { sets } = await prepareJob(job, source);
const set = sets.train;
if (!set) throw new Error('there are no pairs');

const demo = Array.from({ length: set.count }, (_, row): RepliesRow => {
  const column = (name: string): Int32Array => set.column(name, row).slice();
  const reply = (name: string) => ({
    ids: column(`${name}_ids`),
    labels: column(`${name}_labels`),
  });
  return { row, prompt: column('prompt_ids'), replies: [reply('chosen'), reply('rejected')] };
});
const long = demo.map((pair, row): RepliesRow => {
  const others = [1, 2, 3].flatMap((next) => {
    const other = demo[(row + next) % demo.length];
    return [...other.prompt, ...other.replies[0].ids];
  });
  const prompt = Int32Array.from([...others.slice(0, 640), ...pair.prompt].slice(-768));
  const replies = pair.replies.map(({ ids, labels }) => ({
    ids: ids.subarray(0, 96),
    labels: labels.subarray(0, 96),
  }));
  return { row, prompt, replies };
});

const memory = new Memory();
const { family, model } = await loadModel(source, { memory, dtype: 'f32' });
const { parameters } = tunings['lora'].apply(model, {
  settings: job.tuning,
  memory,
  seed: 0,
  adapterTargets: family.adapterTargets,
  baseModel: source.name,
});
const policy = policyOf(model, { checkpointing: false });

/** Seconds of a forward and a backward pass over all rows, in micro-batches. */
function seconds(rows: readonly (Row | RepliesRow)[]): number {
  const start = performance.now();
  for (const cut of cutMicroBatches(rows, microBatchTokens(job.train))) {
    const tape = new Tape(memory);
    within({ memory, tape, randomness: null }, () =>
      memory.scope(() => {
        const logp = policy.logp(layOut(cut));
        const grad = memory.gradients.like(logp);
        fill.run(grad.data, 1 / logp.data.length);
        tape.backward([[logp, grad]]);
      }),
    );
  }
  for (const parameter of parameters.values()) parameter.clearGrad();
  return (performance.now() - start) / 1000;
}

for (const [name, all] of Object.entries({ [values.dataset]: demo, 'long prompts': long })) {
  const pairs = all.slice(0, Number(values.pairs));
  const rows = pairs.flatMap(apart);
  const [shared, alone] = [pairs, rows].map((some) => layOut(some).ids.length);
  const allowed = alone / shared;
  seconds(pairs.slice(0, 2));
  seconds(rows.slice(0, 4));
  const times = Array.from({ length: Number(values.rounds) }, () => [
    seconds(rows),
    seconds(pairs),
  ]);
  const [before, after] = [0, 1].map((side) => median(times.map((time) => time[side])));
  console.log(
    `${name}: ${pairs.length} pairs, ${alone} tokens in ${before.toFixed(2)} s apart, ${shared} in ${after.toFixed(2)} s shared`,
  );
  report({ name: `${name}: what the tokens allow`, value: allowed, unit: '×' });
  report({
    name: `${name}: sharing the prompt, against a copy for each reply`,
    value: before / after,
    unit: '×',
    goal: { atLeast: 0.9 * allowed },
  });
}
