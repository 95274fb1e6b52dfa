/** @file What a training method is: what it learns from, and what a micro-batch of it contributes to the step's loss. */
import type { MicroBatch } from '../engine/micro-batches.ts';
import type { Tensor } from '../engine/tensor.ts';

/** What a term's sum is divided by; the plan has the number for every step. */
export type Normalizer = 'targets' | 'examples';

export type Term = {
  /** [1]: a sum over the micro-batch, never a mean, so that no cut into micro-batches matters. */
  readonly sum: Tensor;
  readonly per: Normalizer;
};

export type StepResult = {
  readonly terms: readonly Term[];
  /** Sums with their counts, added over the step. */
  readonly metrics: Readonly<Record<string, readonly [sum: number, count: number]>>;
  /** log p of each target, [n]: what each row's loss is added up from. */
  readonly logp: Tensor;
};

/** The model that learns, as a method sees it. */
export type Policy = {
  /** log p of every target of the micro-batch, [n] */
  logp(batch: MicroBatch): Tensor;
};

export type Method = {
  /** As `stage` names it. */
  readonly stage: string;
  readonly title: string;
  readonly paper?: string;
  /** Rows it learns from. */
  readonly data: 'text' | 'conversations';
  step(policy: Policy, batch: MicroBatch): StepResult;
};

export const defineMethod = (method: Method): Method => method;
