/** @file An engine's two faces: it trains, and it opens sessions that generate and score. */
import type { RunEvent } from '../../core/events.ts';
import type { Job } from '../../train/job.ts';
import type { Outcome } from '../run-folder.ts';
import type { Opened, SessionRequest, TrainRequest } from './protocol.ts';

export type Engine = {
  readonly name: 'native' | 'torch';
  train(request: TrainRequest): RunHandle;
  /** Starts the process, which loads the model while its parent still makes the data ready. */
  begin(job: Job, options: { readonly detached: boolean }): BegunEngine;
  /** The signal ends a process that still loads. */
  open(request: SessionRequest, signal?: AbortSignal): Promise<SessionClient>;
  /** A process that computes nothing, and says what trainings would take. */
  estimator(): Promise<SessionClient>;
};

export type BegunEngine = {
  train(request: TrainRequest): RunHandle;
  /** Ends the process: there is nothing to train. */
  cancel(): void;
};

export type RunResult = {
  readonly outcome: Outcome;
  readonly folder: string | undefined;
  /** Why it failed. */
  readonly error: Error | undefined;
};

/** A run, seen by whoever started it. The engine's process writes; this only follows. */
export type RunHandle = {
  readonly pid: number;
  /** Settled once the folder is taken; rejects where the run is refused. */
  readonly opened: Promise<Opened>;
  /** Events of this attempt as they come, until the process has ended. */
  events(): AsyncIterable<RunEvent>;
  /** Saves at the next step boundary, and ends. */
  stop(): void;
  /** Ends at once; the last checkpoint stays. */
  kill(): void;
  /** Lets a detached run go: the parent may end. */
  release(): void;
  /** Never rejects. */
  readonly result: Promise<RunResult>;
};

/**
 * The parent's end of a session. `generate/` puts its types on it: methods, their parameters and their parts are
 * plain data and typed arrays, which cross as they are.
 */
export type SessionClient = {
  /** What the session said of itself when it was ready. */
  readonly about: unknown;
  /** Parts as they come; returns the result. Breaking off, or the signal, cancels the call. */
  stream(
    method: string,
    params: unknown,
    signal?: AbortSignal,
  ): AsyncGenerator<unknown, unknown, undefined>;
  call(method: string, params: unknown, signal?: AbortSignal): Promise<unknown>;
  close(): Promise<void>;
};

/** The child's end: each method gets its parameters, and gives parts and a result. */
export type SessionMethods = Readonly<
  Record<
    string,
    (
      params: unknown,
      context: { readonly part: (value: unknown) => void; readonly signal: AbortSignal },
    ) => Promise<unknown>
  >
>;

export type OpenedSession = {
  readonly about: unknown;
  readonly methods: SessionMethods;
  /** Ends what it has started. */
  readonly close?: () => Promise<void>;
};
