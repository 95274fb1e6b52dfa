/** @file `tunery estimate`: memory and time of a training, before it loads anything. */
import { dataSection } from '../../data/settings.ts';
import { engineSection } from '../../engine/settings.ts';
import type { Estimate } from '../../estimate/estimate.ts';
import type { Sample } from '../../estimate/sample.ts';
import { sampleOfLongest, sampleOfPlan } from '../../estimate/shapes-of-job.ts';
import { methodSection } from '../../methods/settings.ts';
import { modelSection } from '../../models/settings.ts';
import { nativeEngine } from '../../runs/engines/native.ts';
import { planOfJob } from '../../runs/plan-of-job.ts';
import type { Job } from '../../train/job.ts';
import { trainSection } from '../../train/settings.ts';
import { tuningSection } from '../../tuning/settings.ts';
import { type Context, defineCommand } from '../command.ts';
import { estimateLines } from '../estimate-view.ts';
import { openData } from '../open-data.ts';

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
    const estimator = await nativeEngine().estimator();
    try {
      const sample = await sampleOf(job, context);
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

/** Rows as `train` would prepare them, which it then finds; without a data set the longest there could be. */
export async function sampleOf(
  job: Job,
  context: Pick<Context, 'note' | 'progress' | 'signal'>,
): Promise<Sample> {
  if (job.data.dataset.length > 0) {
    const { sets } = await openData(job, context);
    if (sets.train) return sampleOfPlan(job, planOfJob(job, sets.train), sets.train);
  }
  context.note(
    `note: no data set is named: every row is taken to have ${job.data.cutoff_len} tokens`,
  );
  return sampleOfLongest(job);
}
