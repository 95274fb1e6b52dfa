/** @file The rows that a training would learn from, as far as memory and time depend on them. */
import type { Plan } from '../data/plan.ts';
import type { Prepared } from '../data/prepared.ts';
import type { Job } from '../train/job.ts';
import { microBatchTokens } from '../train/micro-batch-tokens.ts';
import { type Effort, type PlannedShapes, type Sample, sampleSteps } from './sample.ts';

/** Steps of a plan over a Prepared set. */
export const shapesOfPlan = (
  plan: Pick<Plan, 'steps' | 'rows'>,
  rows: Pick<Prepared, 'documents' | 'targetsOf'>,
): PlannedShapes => ({
  steps: plan.steps,
  rows: (step) =>
    Array.from(plan.rows(step), (row) => ({
      documents: [...rows.documents(row)],
      targets: rows.targetsOf(row),
    })),
});

/** Where no rows are known: each as long as `cutoff_len` lets it be, and all of it learned. */
export function longestShapes({ data, train }: Pick<Job, 'data' | 'train'>): PlannedShapes {
  const row = { documents: [data.cutoff_len], targets: data.cutoff_len - 1 };
  const count = train.per_device_train_batch_size * train.gradient_accumulation_steps;
  const rows = Array.from({ length: count }, () => row);
  return { steps: Math.max(1, train.max_steps), rows: () => rows };
}

/** The same rows under a shorter `cutoff_len`: what is over is cut off, from what is learned first. */
export const cutOff = ({ steps, rows }: PlannedShapes, length: number): PlannedShapes => ({
  steps,
  rows: (step) =>
    rows(step).map(({ documents, targets }) => {
      const cut = documents.map((tokens) => Math.min(tokens, length));
      const lost = documents.reduce((sum, tokens, i) => sum + tokens - (cut[i] ?? 0), 0);
      return { documents: cut, targets: Math.max(1, targets - lost) };
    }),
});

export const sampleOf = (
  { train }: Pick<Job, 'train'>,
  shapes: PlannedShapes,
  effort?: Effort,
): Sample => sampleSteps(shapes, microBatchTokens(train), effort);
