/** @file The plan of a job's Prepared set: which rows form each optimizer step. */
import { join } from 'node:path';
import type { OrderOptions } from '../data/order.ts';
import { openPlan, type Plan, type PlanOptions, writePlan } from '../data/plan.ts';
import type { Prepared } from '../data/prepared.ts';
import { makeFolder } from '../files/atomic.ts';
import { digestOf } from '../files/digest.ts';
import { tuneryCache } from '../files/hub-cache.ts';
import type { Job } from '../train/job.ts';
import { ranksOf } from './engines/torch-world.ts';

/** What of a job decides which rows form each step. */
export const orderOfJob = ({
  train,
  data,
  engine,
}: Pick<Job, 'train' | 'data' | 'engine'>): Omit<OrderOptions, 'rows'> => ({
  batch: train.per_device_train_batch_size,
  // Each of several ranks has a batch of its own, unless the rows of all are given.
  accumulation:
    train.gradient_accumulation_steps * (train.global_batch_size === null ? ranksOf(engine) : 1),
  epochs: train.num_train_epochs,
  maxSteps: train.max_steps,
  seed: data.data_seed,
  // A stream was shuffled on its way.
  shuffle: !data.disable_shuffling && !data.streaming,
});

/** The plan lies in the cache under the name of what decides it. */
export function planOfJob(job: Pick<Job, 'train' | 'data' | 'engine'>, prepared: Prepared): Plan {
  const options: PlanOptions = {
    ...orderOfJob(job),
    allowUnsupervised: job.data.allow_unsupervised,
  };
  const folder = join(tuneryCache(), 'plans');
  makeFolder(folder);
  const path = join(folder, `${digestOf(prepared.digest, JSON.stringify(options))}.safetensors`);
  try {
    return openPlan(path);
  } catch {
    return writePlan(path, prepared, options);
  }
}
