/** @file `tunery estimate`: memory and time of a training, before it loads anything. */
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
import { estimateLines } from '../estimate-view.ts';
import { plannedRows } from '../planned-rows.ts';

export const estimateCommand = defineCommand({
  name: 'estimate',
  summary:
    'Say how much memory and time a training will take, before it loads anything: the engine itself, run without computing.',
  examples: [
    'tunery estimate examples/smollm2_lora_sft.yaml',
    'tunery estimate examples/smollm2_lora_sft.yaml finetuning_type=full bf16=true',
    'tunery estimate model_name_or_path=folder/with/config.json finetuning_type=lora cutoff_len=2048 --json',
  ],
  sections: [modelSection, methodSection, tuningSection, dataSection, trainSection, engineSection],

  async run({ engine, model, data, tuning, method, train, generate }, context) {
    const job: Job = { engine, model, data, tuning, method, train, generate };
    if (engine.engine === 'torch') {
      context.note(
        'note: `engine: torch` has no estimate yet; this is what the native engine would take',
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
