/** @file `tunery parity`: both engines on the same steps of a training, and how far apart they lie. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { loadConfig } from '../../config/load.ts';
import { field } from '../../core/field.ts';
import { noSuchSet } from '../../data/errors.ts';
import { writeFileAtomic } from '../../files/atomic.ts';
import { type ParityReport, parity } from '../../runs/engines/parity.ts';
import { defineCommand, exitCodes } from '../command.ts';
import { openData } from '../open-data.ts';
import { packageVersion } from '../version.ts';

export const parityCommand = defineCommand({
  name: 'parity',
  summary:
    'Take the first steps of a training with both engines, and say how far their losses, gradients and weights lie apart.',
  examples: [
    'tunery parity examples/smollm2_lora_sft.yaml --steps 20',
    'tunery parity examples/smollm2_lora_sft.yaml nproc_per_node=2 fsdp=full_shard --report parity.json',
  ],
  positionals: [{ name: 'FILE', help: 'a settings file of a training', optional: true }],
  takesSettings: true,
  options: {
    steps: field(z.int().min(1).default(20), { help: 'How many steps, from the first.' }),
    report: field(z.string().nullable().default(null), {
      help: 'A file for the figures, as JSON.',
    }),
  },

  async run(_job, context) {
    const { options, positionals, settings, print, note, ...words } = context;
    const { progress, signal, json, emit } = words;
    const [file] = positionals;
    // Whatever the file says: what only one engine has must be heard.
    const { job } = loadConfig({
      file,
      overrides: [...settings, 'engine=torch'],
      command: 'train',
    });
    const { sets } = await openData(job, context);
    if (!sets.train) throw noSuchSet('dataset');
    if (job.tuning.lora_dropout > 0) {
      note('note: each engine draws its own `lora_dropout`: `lora_dropout=0` holds what is equal');
    }
    const folder = mkdtempSync(join(tmpdir(), 'tunery-parity-'));
    try {
      const report = await parity({
        job,
        prepared: { train: sets.train.folder, evaluations: [] },
        version: packageVersion(),
        steps: options.steps,
        folder,
        progress: (engine, step) => progress(`${engine}: step ${step} of ${options.steps}`),
        signal,
      });
      progress(null);
      if (options.report !== null) {
        writeFileAtomic(options.report, `${JSON.stringify(report, null, 2)}\n`);
      }
      if (json) emit(report);
      for (const line of linesOf(report)) print(line);
      return report.firstDifference === null ? exitCodes.ok : exitCodes.failed;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
});

function linesOf({ steps, band, firstDifference, weights }: ParityReport): string[] {
  const signed = steps.reduce((sum, { loss }) => sum + loss, 0) / steps.length;
  const worst = Math.max(...steps.map(({ loss }) => Math.abs(loss)));
  return [
    'step     native      torch   difference   gradient norm   tokens',
    ...steps.map(
      ({ step, native, torch, loss, gradNorm, sameTokens }) =>
        `${String(step).padStart(4)}  ${native.toFixed(6).padStart(9)}  ${torch.toFixed(6).padStart(9)}   ${loss.toExponential(1).padStart(10)}   ${gradNorm.toExponential(1).padStart(13)}   ${sameTokens ? 'equal' : 'OTHER'}`,
    ),
    '',
    `losses within ${worst.toExponential(1)} (${band.toExponential(0)} is asked), on average ${signed.toExponential(1)}`,
    ...(weights === null
      ? []
      : [`what was learned differs by ${weights.toExponential(1)} of its size`]),
    firstDifference === null
      ? 'No step differs.'
      : `Step ${firstDifference} is the first that differs.`,
  ];
}
