/**
 * @file How fast, in how little memory and how soon the job is trained, by the real command line.
 *
 * `node bench/train.ts [VARIANT …] [--steps 20] [--warmup 4] [--rounds 3] [--packs] [--model MODEL] [--prefix COMMAND]`
 *
 * Variants: f32, bf16, int8, bf16-int8, nf4, full; f32 and bf16 where none is named. Rounds go A B A B. A token is real,
 * never padding; "begins" is the end of step 1 less the median of the other steps of warm-up, which have the same rows.
 * FLOPs are counted by bench/flops.ts, against the multiply-add peak in f32 that is probed between the rounds. Figures
 * are refused where nothing is learned, or losses leave those of f32.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { peakProbe } from '../src/kernels/gemm.ts';
import { openModel } from '../src/models/source.ts';
import { flopsOf, sizeOf, workOf } from './flops.ts';
import { asArguments, jobSettings, smollm2, stepsOf, writeRows } from './job.ts';
import { runTunery } from './program.ts';
import { report } from './report.ts';
import { type Measured, measured, middleOf, residuals, tuneryStepsOf } from './steps.ts';
import { isVariant, type VariantName, variantNames, variants } from './variants.ts';

const { values, positionals } = parseArgs({
  options: {
    steps: { type: 'string', default: '20' },
    warmup: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    packs: { type: 'boolean', default: false },
    model: { type: 'string', default: smollm2 },
    prefix: { type: 'string', default: '' },
  },
  allowPositionals: true,
});
const names: VariantName[] = (positionals.length > 0 ? positionals : ['f32', 'bf16']).map(
  (name) => {
    if (isVariant(name)) return name;
    throw new Error(`no such variant: ${name}; there are ${variantNames.join(', ')}`);
  },
);
const length = { steps: Number(values.steps), warmup: Number(values.warmup) };
const batches = values.packs ? 'packs' : 'rows';
const prefix = values.prefix.split(' ').filter((word) => word !== '');

const folder = mkdtempSync(join(tmpdir(), 'tunery-bench-train-'));
try {
  const dataset = writeRows(folder, batches, length);
  const argumentsOf = (name: VariantName): string[] =>
    asArguments({
      model_name_or_path: values.model,
      dataset,
      ...jobSettings(batches, length),
      ...variants[name].settings,
    });
  // Prepares the rows too: what is measured begins with a warm cache.
  const works = (await stepsOf(argumentsOf(names[0]))).map(workOf);
  const source = await openModel(values.model);

  let peak = 0;
  const rounds = new Map<VariantName, Measured[]>(names.map((name) => [name, []]));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const name of names) {
      peak = Math.max(peak, peakProbe.run(0.5));
      const out = ['output_dir=out', 'overwrite_output_dir=true', '--json'];
      const ran = await runTunery(['train', ...argumentsOf(name), ...out], { cwd: folder, prefix });
      rounds.get(name)?.push(measured(ran, tuneryStepsOf(ran), length));
    }
  }

  report({ name: 'f32 multiply-add peak', value: peak, unit: 'GFLOP/s' });
  const counted = works.slice(length.warmup);
  const mean = (value: (work: (typeof works)[number]) => number): number =>
    counted.reduce((sum, work) => sum + value(work), 0) / counted.length;
  console.log(
    `${counted.length} steps of ${Math.round(mean(({ tokens }) => tokens))} tokens, ${Math.round((100 * mean(({ supervised }) => supervised)) / mean(({ tokens }) => tokens))} % supervised`,
  );
  for (const [name, all] of rounds) {
    const figures = middleOf(all);
    const { trains, tolerance } = variants[name];
    const size = await sizeOf(source, trains === 'full' ? 'full' : 8);
    const rate = mean((work) => flopsOf(size, work)) / figures.secondsPerStep / 1e9;
    if (!figures.steps.every(({ gradNorm }) => gradNorm > 0))
      throw new Error('nothing was learned');
    const show = (what: string, value: number, unit: string): void =>
      report({ name: `${name}: ${what}`, value, unit });
    show('real tokens a second', figures.tokensPerSecond, 'tokens/s');
    show('supervised tokens a second', figures.supervisedPerSecond, 'tokens/s');
    show('whole step, share of the f32 peak', rate / peak, '');
    show('peak memory of the engine', figures.peak / 1e9, 'GB');
    show('peak memory of its parent', (figures.parent ?? 0) / 1e9, 'GB');
    if (figures.begins !== undefined) show('training begins after', figures.begins, 's');
    const reference = rounds.get('f32')?.[0];
    if (name === 'f32' || reference === undefined || trains === 'full') continue;
    const { most, mean: drift } = residuals(figures.steps, reference.steps);
    show('largest difference of a step’s loss from f32’s', most, '');
    show('mean difference of the losses from f32’s', drift, '');
    if (tolerance !== undefined && most > tolerance) {
      throw new Error(
        `the losses of ${name} leave those of f32 by ${most}: the figures are refused`,
      );
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
