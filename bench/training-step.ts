/**
 * @file What a LoRA step of SmolLM2-135M in f32 reaches of the machine's multiply-add peak, at 2,048 real tokens a step.
 *
 * `node bench/training-step.ts [--steps N] [--bf16] [--alone]`. Rows are the quick start's. FLOPs are those of
 * bench/flops.ts. The peak is probed before and after, the best taken; between the steps it is probed as it is at that time, neighbors
 * included. It also says in which kernels the time goes.
 * `--alone` says what a step would take if no neighbor were ever on the cores: each call at the pace of those of its kind that
 * met none (bench/neighbor.ts), and the time outside kernels as it was.
 */
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/config/load.ts';
import { Memory } from '../src/engine/memory.ts';
import { peakProbe } from '../src/kernels/gemm.ts';
import { type KernelCall, kernelTimer, observeKernels } from '../src/kernels/kernel.ts';
import { methods } from '../src/methods/index.ts';
import { loadModel } from '../src/models/load.ts';
import { openModel } from '../src/models/source.ts';
import { peakMemory } from '../src/native/memory.ts';
import { prepareJob } from '../src/runs/prepare-job.ts';
import { memoryHost } from '../src/train/host.ts';
import { train } from '../src/train/train.ts';
import { tunings } from '../src/tuning/index.ts';
import { flopsOf, productsOf, sizeOf, workOf } from './flops.ts';
import { bestBurst, isAlone, peakNow, type Sample, sample } from './neighbor.ts';
import { median, report } from './report.ts';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '6' },
    bf16: { type: 'boolean', default: false },
    alone: { type: 'boolean', default: false },
  },
});
const stepTokens = 2048;
const { job } = loadConfig({
  file: 'examples/smollm2_lora_sft.yaml',
  overrides: ['lr_scheduler_type=constant', 'save_strategy=no', `bf16=${values.bf16}`],
  command: 'train',
});
const source = await openModel(job.model.model_name_or_path);
const { sets } = await prepareJob(job, source);
const rows = sets.train;
if (!rows) throw new Error('the example has no rows');

const memory = new Memory();
const { family, model } = await loadModel(source, { memory, dtype: values.bf16 ? 'bf16' : 'f32' });
const tuned = tunings['lora'].apply(model, {
  settings: job.tuning,
  memory,
  seed: job.train.seed,
  adapterTargets: family.adapterTargets,
  baseModel: source.name,
});

/** Rows, in order, until a step has its tokens; short ones fill it to the last few. */
const steps: number[][] = [];
const unused = new Set(Array.from({ length: rows.count }, (_, row) => row));
while (steps.length < Number(values.steps)) {
  const step: number[] = [];
  let tokens = 0;
  for (const row of unused) {
    const length = rows.ids(row).length;
    if (tokens + length > stepTokens) continue;
    step.push(row);
    unused.delete(row);
    tokens += length;
  }
  steps.push(step);
}
const size = await sizeOf(source, job.tuning.lora_rank);
const rowOf = (row: number) => ({
  ids: rows.ids(row),
  labels: rows.labels(row),
  documents: rows.documents(row),
});
const works = steps.map((step) => workOf(step.map(rowOf)));

type WatchedCall = Sample & { readonly work: number };

/** Calls of kernels that run at about one speed: of one rate, and of about one size. */
const watched = new Map<string, WatchedCall[]>();
let watching = 0;

function watch(call: KernelCall): unknown {
  const start = performance.now();
  const { flops, bytes, rate } = call.cost();
  const work = flops || bytes;
  let result: unknown;
  const one = sample(() => {
    result = call.run();
  });
  const group = `${rate} ${Math.round(Math.log2(work))}`;
  const calls = watched.get(group) ?? [];
  watched.set(group, calls);
  calls.push({ ...one, work });
  watching += (performance.now() - start) / 1000 - one.seconds;
  return result;
}

let peak = peakProbe.run(1);
const seconds: number[] = [];
/** Of f32, after each step. */
const peaks: number[] = [];
const host = memoryHost();
const { emit } = host;
await train({
  settings: { ...job.train, do_train: true },
  method: methods['sft'],
  model,
  parameters: tuned.parameters,
  memory,
  rows: {
    count: rows.count,
    row: (row) => ({ row, ...rowOf(row) }),
    place: () => undefined,
  },
  plan: {
    steps: steps.length,
    rows: (step) => steps[step],
    targets: (step) => works[step].supervised,
    examples: (step) => steps[step].length,
    epoch: (step) => step,
  },
  evalSets: [],
  host: {
    ...host,
    emit(event) {
      emit(event);
      if (event.type !== 'step-end') return;
      seconds.push(event.seconds);
      peaks.push(peakNow(0.2));
      // The first step touches fresh memory and compiles code.
      if (event.step > 1) return;
      if (values.alone) observeKernels(watch);
      else kernelTimer.start();
    },
  },
  saveModel: () => {},
});
// It was started only where the calls were not watched one by one; either way it takes the observer off.
const times = kernelTimer.stop();
peak = Math.max(peak, peakProbe.run(1));

const losses = host.events.flatMap((event) => (event.type === 'step-end' ? [event] : []));
if (losses.some(({ grad_norm }) => !(grad_norm > 0))) throw new Error('nothing was learned');
const measured = works.slice(1);
const sum = (value: (step: (typeof measured)[number]) => number): number =>
  measured.reduce((total, step) => total + value(step), 0);
const inKernels = (names: readonly string[]): number =>
  names.reduce((total, name) => total + (times.get(name)?.seconds ?? 0), 0);
const rates = measured.map((work, i) => ({
  tokens: work.tokens / seconds[i + 1],
  flops: flopsOf(size, work) / seconds[i + 1] / 1e9,
}));
const headAndLinear = inKernels(['gemm', 'crossEntropyForward', 'crossEntropyBackward']);
const whole = seconds.slice(1).reduce((a, b) => a + b, 0);
const kind = values.bf16 ? 'bf16' : 'f32';
console.log(
  `${steps.length - 1} steps of ${Math.round(sum(({ tokens }) => tokens) / measured.length)} tokens, ${Math.round((100 * sum(({ supervised }) => supervised)) / sum(({ tokens }) => tokens))} % supervised; loss ${losses[0].loss.toFixed(3)} → ${losses.at(-1)?.loss.toFixed(3)}`,
);
for (const [name, { calls, seconds: spent }] of times) {
  if (spent / whole < 0.002) continue;
  console.log(
    `  ${name.padEnd(24)} ${((100 * spent) / whole).toFixed(1).padStart(5)} %  ${(calls / measured.length).toFixed(0).padStart(6)} calls a step`,
  );
}
const all = [...times.values()].reduce((total, { seconds: spent }) => total + spent, 0);
if (!values.alone) {
  console.log(
    `  ${'outside kernels'.padEnd(24)} ${((100 * (whole - all)) / whole).toFixed(1).padStart(5)} %`,
  );
}
report({ name: 'f32 multiply-add peak', value: peak, unit: 'GFLOP/s' });
if (values.alone) {
  reportAlone();
  process.exit();
}
report({
  name: `linear layers and head, share of the f32 peak, ${kind}`,
  value: sum((work) => productsOf(size, work)) / headAndLinear / 1e9 / peak,
  unit: '',
  ...(values.bf16 ? {} : { goal: { atLeast: 0.5 } }),
});
report({
  name: `whole step, share of the f32 peak, ${kind}`,
  value: median(rates.map(({ flops }) => flops)) / peak,
  unit: '',
  ...(values.bf16 ? {} : { goal: { atLeast: 0.65 } }),
});
const meanPeak = peaks.reduce((a, b) => a + b, 0) / peaks.length;
report({
  name: 'f32 multiply-adds in registers, mean between steps',
  value: meanPeak,
  unit: 'GFLOP/s',
});
report({
  name: `all steps, share of that mean, ${kind}`,
  value: sum((work) => flopsOf(size, work)) / whole / 1e9 / meanPeak,
  unit: '',
});
// Where a neighbor comes and goes, the best step is the one beside which it was away.
report({
  name: `best step, share of the f32 peak, ${kind}`,
  value: Math.max(...rates.map(({ flops }) => flops)) / peak,
  unit: '',
});
if (values.bf16) {
  report({
    name: 'whole step, share of the bf16 peak, bf16',
    value: median(rates.map(({ flops }) => flops)) / peakProbe.run(1, 'bf16'),
    unit: '',
    goal: { atLeast: 0.6 },
  });
}
report({
  name: `real tokens a second, ${kind}`,
  value: median(rates.map(({ tokens }) => tokens)),
  unit: 'tokens/s',
});
report({ name: `peak resident memory, ${kind}`, value: peakMemory() / 1e9, unit: 'GB' });

function reportAlone(): void {
  const total = (calls: readonly WatchedCall[], of: 'seconds' | 'work'): number =>
    calls.reduce((all, call) => all + call[of], 0);
  let [inAll, inAlone, met, guessed, count] = [0, 0, 0, 0, 0];
  for (const calls of watched.values()) {
    const undisturbed = calls.filter(isAlone);
    // Where each call met a neighbor, the fastest stands for all.
    const pace =
      undisturbed.length > 0
        ? total(undisturbed, 'seconds') / total(undisturbed, 'work')
        : Math.min(...calls.map(({ seconds, work }) => seconds / work));
    const would = pace * total(calls, 'work');
    inAll += total(calls, 'seconds');
    inAlone += would;
    if (undisturbed.length === 0) guessed += would;
    met += calls.length - undisturbed.length;
    count += calls.length;
  }
  const outside = whole - inAll - watching;
  console.log(
    `  ${met} of ${count} calls met a neighbor; kernels took ${inAll.toFixed(1)} s and would have taken ${inAlone.toFixed(1)} (${guessed.toFixed(1)} of it by calls that all met one), ${outside.toFixed(1)} s were outside`,
  );
  report({ name: 'best burst of instructions on all cores', value: bestBurst(), unit: 'a ns' });
  const rate = sum((work) => flopsOf(size, work)) / 1e9;
  const of = values.bf16 ? 'bf16' : 'f32';
  report({
    name: `whole step, share of the ${of} peak, ${kind}, with its neighbors`,
    value: rate / (inAll + outside) / peakOf(),
    unit: '',
  });
  report({
    name: `whole step, share of the ${of} peak, ${kind}, alone`,
    value: rate / (inAlone + outside) / peakOf(),
    unit: '',
    goal: { atLeast: values.bf16 ? 0.6 : 0.65 },
  });
}

function peakOf(): number {
  return values.bf16 ? peakProbe.run(1, 'bf16') : peak;
}
