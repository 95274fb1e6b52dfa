/** @file `tunery data stats`: a Prepared set in figures, before anything is learned from it. */
import { histogram } from '../../data/histogram.ts';
import { dataSection } from '../../data/settings.ts';
import { findSources } from '../../data/sources.ts';
import { measure } from '../../data/stats.ts';
import { advise, cutoffChoices } from '../../data/stats-advice.ts';
import { workOf } from '../../data/stats-work.ts';
import { methodSection } from '../../methods/settings.ts';
import { modelSection } from '../../models/settings.ts';
import { orderOfJob } from '../../runs/plan-of-job.ts';
import { trainSection } from '../../train/settings.ts';
import { defineCommand } from '../command.ts';
import { chooseSet, openData, setOptions } from '../open-data.ts';
import { dataHub } from '../open-source.ts';
import { statsView } from '../stats-view.ts';

export const dataStatsCommand = defineCommand({
  name: 'data stats',
  summary:
    'Count what a data set comes to: rows, tokens, lengths, what `cutoff_len` cuts and where, sources, scripts, duplicates, steps, padding.',
  examples: [
    'tunery data stats examples/smollm2_lora_sft.yaml',
    'tunery data stats examples/smollm2_lora_sft.yaml cutoff_len=128 --json',
  ],
  sections: [modelSection, methodSection, dataSection, trainSection],
  options: setOptions,

  async run(job, context) {
    const { options, json, emit, print, columns, color } = context;
    const { data, method } = job;
    const { sets, tokenizer } = await openData(job, context);
    const prepared = chooseSet(sets, options);
    const isEval = prepared !== sets.train;

    const packed = data.packing && method.stage === 'sft' && !isEval;
    const cutoff = data.cutoff_len;
    const free = packed ? 1 : 0;
    const measured = measure(prepared, tokenizer);
    const work = workOf(prepared, orderOfJob(job), packed ? cutoff - free : undefined);
    const bounds = method.stage !== 'pt' || !data.packing;
    const figures = { ...measured, work, cutoff, free, bounds };
    if (json) {
      emit({
        ...measured.stats,
        cutoff_len: cutoff,
        choices: bounds ? cutoffChoices(figures) : [],
        histogram: histogram(measured.lengths),
        work,
        advice: advise(figures),
        digest: prepared.digest,
      });
      return undefined;
    }
    const names = [...data.dataset, ...data.eval_dataset];
    const hub = dataHub(job.model, context);
    const sources = await findSources(names, data.dataset_dir, method.stage, () => {}, hub);
    const nameOf = (file: string): string =>
      sources.find(({ files }) => files.includes(file))?.name ?? file;
    print(statsView({ ...figures, nameOf, columns, color }));
    return undefined;
  },
});
