/** @file What an engine's process and its parent say to each other over the child's channel. */
import { type Explanation, TuneryError } from '../../core/errors.ts';
import type { InferSettings } from '../../generate/backends.ts';
import type { Job } from '../../train/job.ts';
import type { Outcome } from '../run-folder.ts';

/** What a training needs: settings, and where lies what was made of the data. */
export type TrainRequest = {
  readonly job: Job;
  /** Folders of the Prepared sets. */
  readonly prepared: {
    readonly train: string | null;
    readonly evaluations: readonly { readonly name: string; readonly folder: string }[];
  };
  /** Version of Tunery. */
  readonly version: string;
  /** Outlives its parent. */
  readonly detached: boolean;
  /** The file that a profile of some steps goes to. */
  readonly profile?: string | undefined;
};

/** A session: a model with its adapters, to generate and to score. */
export type SessionRequest = {
  readonly job: Pick<Job, 'engine' | 'model'> & { readonly infer: InferSettings };
  /** Version of Tunery. */
  readonly version: string;
};

/** The child's one argument, where it shall load what a training takes before anybody asks for one. */
export const trainsSoon = 'train';

export type ToChild =
  /** A training will follow: what it needs beside its data can be loaded already. */
  | { readonly type: 'begin'; readonly job: Job }
  | { readonly type: 'train'; readonly request: TrainRequest }
  | { readonly type: 'session'; readonly request: SessionRequest }
  /** A session whose one method says what a training would take. */
  | { readonly type: 'estimator' }
  | {
      readonly type: 'call';
      readonly id: number;
      readonly method: string;
      readonly params: unknown;
    }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'stop' };

export type Opened = {
  readonly folder: string;
  readonly run_id: string;
  readonly attempt: number;
  /** Bytes of events.jsonl before this attempt. */
  readonly events_from: number;
};

export type ToParent =
  | { readonly type: 'opened'; readonly opened: Opened }
  | { readonly type: 'ended'; readonly outcome: Outcome }
  | { readonly type: 'failed'; readonly error: WireError }
  | { readonly type: 'ready'; readonly value: unknown }
  | { readonly type: 'part'; readonly id: number; readonly value: unknown }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: WireError };

export type WireError =
  | ({ readonly kind: 'explained'; readonly code: string } & Explanation)
  /** A fault of ours. */
  | { readonly kind: 'bug'; readonly message: string; readonly stack: string };

export function toWire(error: unknown): WireError {
  if (error instanceof TuneryError) {
    const { code, message, place, help } = error;
    return { kind: 'explained', code, message, place, help };
  }
  if (error instanceof Error) {
    return { kind: 'bug', message: error.message, stack: error.stack ?? '' };
  }
  return { kind: 'bug', message: String(error), stack: '' };
}

export function fromWire(error: WireError): Error {
  if (error.kind === 'explained') return new TuneryError(error.code, error);
  const bug = new Error(error.message);
  bug.stack = error.stack;
  return bug;
}
