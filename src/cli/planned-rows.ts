/** @file The rows that a command's settings would train on, for an estimate. */
import type { PlannedShapes } from '../estimate/sample.ts';
import { longestShapes, shapesOfPlan } from '../estimate/shapes-of-job.ts';
import { planOfJob } from '../runs/plan-of-job.ts';
import type { Job } from '../train/job.ts';
import type { Context } from './command.ts';
import { openData } from './open-data.ts';

/** Rows as `train` would prepare them, which it then finds; without a data set the longest there could be. */
export async function plannedRows(
  job: Job,
  context: Pick<Context, 'note' | 'progress' | 'signal'>,
): Promise<PlannedShapes> {
  if (job.data.dataset.length > 0) {
    const { sets } = await openData(job, context);
    if (sets.train) return shapesOfPlan(planOfJob(job, sets.train), sets.train);
  }
  context.note(
    `note: no data set is named: every row is taken to have ${job.data.cutoff_len} tokens`,
  );
  return longestShapes(job);
}
