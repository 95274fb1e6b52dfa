/**
 * @file What the torch engine costs beside a bare loop of PyTorch with the same model, adapter and batches, and when it begins.
 *
 * `node bench/torch-engine.ts --python PYTHON [--steps 12]`. Both are loaded, and take their steps in turn: a machine's moods are the
 * same for both. The first two steps do not count. The losses must be equal within 1e-4, or the figures are refused.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/config/load.ts';
import type { RunEvent } from '../src/core/events.ts';
import { buildModel } from '../src/models/load.ts';
import { openModel } from '../src/models/source.ts';
import { torchLearner } from '../src/runs/engines/torch-learner.ts';
import { adapterForTorch, modelForTorch } from '../src/runs/engines/torch-model.ts';
import { startRanks } from '../src/runs/engines/torch-ranks.ts';
import { torchTask } from '../src/runs/engines/torch-task.ts';
import { worldOf } from '../src/runs/engines/torch-world.ts';
import { planOfJob } from '../src/runs/plan-of-job.ts';
import { prepareJob } from '../src/runs/prepare-job.ts';
import { memoryHost } from '../src/train/host.ts';
import { asArguments, jobSettings, smollm2, writeRows } from './job.ts';
import { runTunery } from './program.ts';
import { median, report } from './report.ts';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    steps: { type: 'string', default: '12' },
  },
});
const { python } = values;
if (python === undefined) throw new Error('--python PYTHON, one with torch, transformers and PEFT');
const warmup = 2;
const length = { steps: Number(values.steps), warmup };
const bare = fileURLToPath(new URL('./peers/bare_torch.py', import.meta.url));
const workers = fileURLToPath(new URL('../workers/torch', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'tunery-bench-torch-'));
try {
  const dataset = writeRows(folder, 'rows', length);
  const settings = asArguments({
    ...jobSettings('rows', length),
    model_name_or_path: smollm2,
    dataset,
    finetuning_type: 'lora',
    learning_rate: 1e-4,
    engine: 'torch',
    engine_python: python,
    use_cpu: true,
  });
  const { job } = loadConfig({ overrides: settings, command: 'train' });
  const source = await openModel(smollm2);
  const { sets } = await prepareJob(job, source);
  const prepared = sets.train;
  if (!prepared) throw new Error('the job has no rows');
  const plan = planOfJob(job, prepared);
  const { task } = torchTask(job, {
    world: worldOf(job.engine),
    model: await modelForTorch(source, 'bench'),
    adapter: adapterForTorch(job, await buildModel(source), [], folder).folder,
    merged: [],
    rows: prepared.folder,
    evaluations: [],
    config: source.config,
  });
  const [taskFile, stepsFile] = ['task.json', 'steps.json'].map((name) => join(folder, name));
  writeFileSync(taskFile!, JSON.stringify(task));
  writeFileSync(
    stepsFile!,
    JSON.stringify(
      Array.from({ length: plan.steps }, (_, step) => ({
        rows: Array.from(plan.rows(step)),
        targets: plan.targets(step),
      })),
    ),
  );

  const began = await beginning();
  const world = worldOf(job.engine);
  const ranks = await startRanks({
    ...{ python, task, world, scratch: folder, logs: folder },
    turn: () => Promise.resolve(),
  });
  const ours = torchLearner({
    ...{ settings: job.train, ranks, plan, host: memoryHost(), account: undefined },
    texts: () => Promise.resolve({}),
    place: (row) => prepared.places(row)[0],
  });
  const theirs = await bareLoop(python, [bare, taskFile!, stepsFile!, workers]);

  const pairs: { readonly ours: number; readonly theirs: number }[] = [];
  for (let step = 1; step <= plan.steps; step++) {
    const timed = async (): Promise<{ seconds: number; loss: number }> => {
      const start = performance.now();
      const { loss } = await ours.learn(step, job.train.learning_rate);
      return { seconds: (performance.now() - start) / 1000, loss };
    };
    // Who goes first changes: what heats or cools a machine is shared.
    const [a, b] =
      step % 2 === 0
        ? [await timed(), await theirs.next()]
        : await theirs.next().then(async (second) => [await timed(), second] as const);
    const apart = Math.abs(a.loss - b.loss);
    if (!(apart < 1e-4)) throw new Error(`the losses are ${apart} apart: no figure`);
    console.log(
      `step ${step}: ours ${a.seconds.toFixed(2)} s, bare loop ${b.seconds.toFixed(2)} s; losses ${apart.toExponential(1)} apart`,
    );
    if (step > warmup) pairs.push({ ours: a.seconds, theirs: b.seconds });
  }
  await ranks.end();
  report({
    name: 'torch engine: tokens/s over those of a bare loop',
    value: median(pairs.map((pair) => pair.theirs / pair.ours)),
    unit: '×',
    goal: { atLeast: 0.97 },
  });
  report({ name: 'torch engine: training begins after, warm', value: began, unit: 's' });

  /** When `tunery train` of the same job begins to train. */
  async function beginning(): Promise<number> {
    const { lines } = await runTunery(
      ['train', ...settings, 'max_steps=1', 'output_dir=out', '--json'],
      { cwd: folder },
    );
    const training = lines.find(({ text }) => {
      const event = JSON.parse(text) as RunEvent;
      return event.type === 'heartbeat' && event.phase === 'training';
    });
    return training?.at ?? Number.NaN;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A loop that takes a step for each line it gets. */
async function bareLoop(program: string, args: readonly string[]) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async (): Promise<{ seconds: number; loss: number }> => {
    const { done, value } = await lines.next();
    if (done) throw new Error(`${program} ${args.join(' ')} ended`);
    return JSON.parse(value);
  };
  // It says so when it is ready.
  await read();
  return {
    next() {
      child.stdin.write('\n');
      return read();
    },
  };
}
