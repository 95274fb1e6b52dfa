/** @file The Prepared sets that a command's settings describe, with a status line while they are made and their warnings said. */

import { z } from 'zod';
import { formatPlace } from '../core/errors.ts';
import { field } from '../core/field.ts';
import { didYouMean } from '../core/suggest.ts';
import { formatCount } from '../core/units.ts';
import { noSuchEvalSet, noSuchSet } from '../data/errors.ts';
import type { PreparedSets, Split } from '../data/prepare.ts';
import type { Prepared } from '../data/prepared.ts';
import { type JobData, prepareJob } from '../runs/prepare-job.ts';
import type { Job } from '../train/job.ts';
import type { Context } from './command.ts';
import { dataHub, openSource } from './open-source.ts';

export async function openData(
  job: Pick<Job, 'data' | 'method' | 'model' | 'train'>,
  context: Pick<Context, 'note' | 'progress' | 'signal'>,
  only?: Split,
): Promise<JobData> {
  const { note, progress, signal } = context;
  const source = await openSource(job.model, context);
  const data = await prepareJob(job, source, {
    signal,
    ...(only && { only }),
    hub: dataHub(job.model, context),
    progress: (examples) => progress(`${formatCount(examples)} rows tokenized`),
    notice: (line) => note(`note: ${line}`),
  });
  progress(null);
  for (const { message, place, help } of [
    ...(data.opened?.warnings ?? []),
    ...data.sets.warnings,
  ]) {
    note(`warning: ${place ? `${formatPlace(place)}: ` : ''}${message}\n  help: ${help}`);
  }
  return data;
}

/** Options that choose one of the sets. */
export const setOptions = {
  eval: field(z.boolean().default(false), { help: 'Of the evaluation set.' }),
  set: field(z.string().nullable().default(null), {
    help: 'Of the evaluation set of this data set, where `eval_on_each_dataset` makes several.',
  }),
};

/** The training set, or the one that the options name. */
export function chooseSet(
  { train, evals }: PreparedSets,
  options: { readonly eval: boolean; readonly set: string | null },
): Prepared {
  const { set } = options;
  if (set !== null) {
    const names = evals.map(({ name }) => name);
    const found = evals.find(({ name }) => name === set);
    if (!found) throw noSuchEvalSet(set, didYouMean(set, names), names);
    return found.prepared;
  }
  const chosen = options.eval ? evals[0]?.prepared : train;
  if (!chosen) throw noSuchSet(options.eval ? 'eval_dataset' : 'dataset');
  return chosen;
}
