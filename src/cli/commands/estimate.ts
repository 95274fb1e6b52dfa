/** @file `tunery estimate`: memory and time of a training, before it loads anything. */
import { z } from 'zod';
import { knownGpus, parseGpus } from '../../advise/gpus.ts';
import { field } from '../../core/field.ts';
import { suggest } from '../../core/suggest.ts';
import { dataSection } from '../../data/settings.ts';
import { engineSection } from '../../engine/settings.ts';
import type { Estimate } from '../../estimate/estimate.ts';
import { sampleOf } from '../../estimate/shapes-of-job.ts';
import { methodSection } from '../../methods/settings.ts';
import { modelSection } from '../../models/settings.ts';
import { nativeEngine } from '../../runs/engines/engines.ts';
import type { Job } from '../../train/job.ts';
import { trainSection } from '../../train/settings.ts';
import { tuningSection } from '../../tuning/settings.ts';
import { defineCommand } from '../command.ts';
import { badGpu } from '../errors.ts';
import { estimateRanks } from '../estimate-ranks.ts';
import { estimateLines } from '../estimate-view.ts';
import { plannedRows } from '../planned-rows.ts';

export const estimateCommand = defineCommand({
  name: 'estimate',
  summary:
    'Say how much memory and time a training will take, before it loads anything: the engine itself, run without computing.',
  examples: [
    'tunery estimate examples/smollm2_lora_sft.yaml',
    'tunery estimate examples/smollm2_lora_sft.yaml finetuning_type=full bf16=true',
    'tunery estimate examples/smollm2_lora_sft.yaml --gpu 2xRTX4090-24GB',
    'tunery estimate model_name_or_path=folder/with/config.json finetuning_type=lora cutoff_len=2048 --json',
  ],
  sections: [modelSection, methodSection, tuningSection, dataSection, trainSection, engineSection],
  options: {
    gpu: field(z.string().nullable().default(null), {
      help: 'Memory of each rank of the torch engine on such GPUs, as `8xH100-80GB`, `2xRTX4090` or `24GB`: by class, for DDP, ZeRO and FSDP2, and what to set.',
    }),
  },

  async run({ engine, model, data, tuning, method, train, generate }, context) {
    const job: Job = { engine, model, data, tuning, method, train, generate };
    const { gpu } = context.options;
    if (gpu !== null) {
      const gpus = parseGpus(gpu);
      if (!gpus) throw badGpu(gpu, suggest(gpu.replace(/^\d+x/, ''), knownGpus), knownGpus);
      return estimateRanks(job, gpus, context);
    }
    if (engine.engine === 'torch') {
      context.note(
        'note: this is what the native engine would take; `--gpu 8xH100-80GB` tells of `engine: torch`',
      );
    }
    const estimator = await nativeEngine().estimator();
    try {
      const sample = sampleOf(job, await plannedRows(job, context));
      context.progress('running it dry');
      const estimate = (await estimator.call(
        'estimate',
        { job, sample },
        context.signal,
      )) as Estimate;
      context.progress(null);
      if (context.json) context.emit(estimate);
      else for (const line of estimateLines(estimate)) context.print(line);
    } finally {
      await estimator.close();
    }
    return undefined;
  },
});
