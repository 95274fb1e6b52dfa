/**
 * @file What the torch engine costs beside a bare loop of PyTorch with the same model, adapter and batches, and when it begins.
 *
 * `node bench/torch-engine.ts --python PYTHON [--steps 6] [--rounds 3]`. The two run in turn; of each the first two steps do not
 * count. Their losses must be equal within 1e-4, or the figures are refused.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/config/load.ts';
import type { RunEvent } from '../src/core/events.ts';
import { buildModel } from '../src/models/load.ts';
import { openModel } from '../src/models/source.ts';
import { adapterForTorch, modelForTorch } from '../src/runs/engines/torch-model.ts';
import { torchTask } from '../src/runs/engines/torch-task.ts';
import { worldOf } from '../src/runs/engines/torch-world.ts';
import { planOfJob } from '../src/runs/plan-of-job.ts';
import { prepareJob } from '../src/runs/prepare-job.ts';
import { asArguments, jobSettings, smollm2, writeRows } from './job.ts';
import { runProgram, runTunery } from './program.ts';
import { median, report } from './report.ts';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    steps: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '3' },
  },
});
const { python } = values;
if (python === undefined) throw new Error('--python PYTHON, one with torch, transformers and PEFT');
const warmup = 2;
const length = { steps: Number(values.steps), warmup };
const bare = fileURLToPath(new URL('./peers/bare_torch.py', import.meta.url));
const workers = fileURLToPath(new URL('../workers/torch', import.meta.url));

type Steps = readonly { readonly seconds: number; readonly loss: number }[];

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

  let begins = 0;
  const engine = async (): Promise<Steps> => {
    begins = 0;
    const { lines } = await runTunery(
      ['train', ...settings, 'output_dir=out', 'overwrite_output_dir=true', '--json'],
      { cwd: folder },
    );
    return lines.flatMap(({ text, at }) => {
      const event = JSON.parse(text) as RunEvent;
      // Said again now and then, as a sign of life.
      if (event.type === 'heartbeat' && event.phase === 'training') begins ||= at;
      return event.type === 'step-end' ? [event] : [];
    });
  };
  const loop = async (): Promise<Steps> => {
    const { lines } = await runProgram(python, [bare, taskFile!, stepsFile!, workers]);
    return lines.map(({ text }) => JSON.parse(text));
  };

  const ratios: number[] = [];
  const began: number[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const [ours, theirs] = [await engine(), await loop()];
    began.push(begins);
    const apart = Math.max(...ours.map(({ loss }, i) => Math.abs(loss - theirs[i]!.loss)));
    if (!(apart < 1e-4)) throw new Error(`the losses are ${apart} apart: no figure`);
    const seconds = (steps: Steps): number =>
      steps.slice(warmup).reduce((sum, step) => sum + step.seconds, 0);
    ratios.push(seconds(theirs) / seconds(ours));
    console.log(
      `round ${round + 1}: ours ${seconds(ours).toFixed(2)} s, bare loop ${seconds(theirs).toFixed(2)} s; losses within ${apart.toExponential(1)}`,
    );
  }
  report({
    name: 'torch engine: tokens/s over those of a bare loop',
    value: median(ratios),
    unit: '×',
    goal: { atLeast: 0.97 },
  });
  report({ name: 'torch engine: training begins after, warm', value: median(began), unit: 's' });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
