/** @file The rows that a training would learn from, as far as memory and time depend on them. */
import type { Plan } from '../data/plan.ts';
import type { Prepared } from '../data/prepared.ts';
import type { Job } from '../train/job.ts';
import { microBatchTokens } from '../train/micro-batch-tokens.ts';
import { type Sample, sampleSteps } from './sample.ts';

/** Steps of a plan over a Prepared set. */
export const sampleOfPlan = (
  { train }: Pick<Job, 'train'>,
  plan: Pick<Plan, 'steps' | 'rows'>,
  rows: Pick<Prepared, 'documents' | 'targetsOf'>,
): Sample =>
  sampleSteps(
    {
      steps: plan.steps,
      rows: (step) =>
        Array.from(plan.rows(step), (row) => ({
          documents: [...rows.documents(row)],
          targets: rows.targetsOf(row),
        })),
    },
    microBatchTokens(train),
  );

/** Where no rows are known: each as long as `cutoff_len` lets it be, and all of it learned. */
export function sampleOfLongest({ data, train }: Pick<Job, 'data' | 'train'>): Sample {
  const row = { documents: [data.cutoff_len], targets: data.cutoff_len - 1 };
  const count = train.per_device_train_batch_size * train.gradient_accumulation_steps;
  const rows = Array.from({ length: count }, () => row);
  const steps = Math.max(1, train.max_steps);
  return sampleSteps({ steps, rows: () => rows }, microBatchTokens(train));
}
