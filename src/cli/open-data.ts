/** @file The Prepared sets that a command's settings describe, with a status line while they are made and their warnings said. */
import { formatPlace } from '../core/errors.ts';
import { type JobData, prepareJob } from '../runs/prepare-job.ts';
import type { Job } from '../train/job.ts';
import type { Context } from './command.ts';
import { dataHub, openSource } from './open-source.ts';

export async function openData(
  job: Pick<Job, 'data' | 'method' | 'model' | 'train'>,
  context: Pick<Context, 'note' | 'progress' | 'signal'>,
): Promise<JobData> {
  const { note, progress, signal } = context;
  const source = await openSource(job.model, context);
  const data = await prepareJob(job, source, {
    signal,
    hub: dataHub(job.model, context),
    progress: (examples) => progress(`${examples.toLocaleString('en')} rows tokenized`),
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
