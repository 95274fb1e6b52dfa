/** @file Events: every line of a run's `events.jsonl`, from either engine. */
import { z } from 'zod';

const event = <Type extends string, Fields extends z.ZodRawShape>(type: Type, fields: Fields) =>
  z.object({
    schema: z.literal(1),
    run_id: z.string(),
    /** 1 at the start, one more at each resume. */
    attempt: z.int().positive(),
    time: z.iso.datetime(),
    type: z.literal(type),
    ...fields,
  });

const takes = {
  memory: z.int(),
  memory_kinds: z.record(z.string(), z.int()),
  step_seconds: z.number(),
  seconds: z.number(),
};

export const RunEvent = z.discriminatedUnion('type', [
  event('run-start', {
    engine: z.enum(['native', 'torch']),
    fingerprint: z.string(),
    /** Optimizer steps of the whole run, and the step this attempt goes on from. */
    total_steps: z.int().nonnegative(),
    from_step: z.int().nonnegative(),
  }),
  event('heartbeat', { phase: z.enum(['loading', 'training', 'evaluating', 'saving']) }),
  event('step-end', {
    step: z.int().positive(),
    epoch: z.number(),
    /** Sum of the method's terms, each divided by its normalizer of the whole step. */
    loss: z.number(),
    grad_norm: z.number().nonnegative(),
    learning_rate: z.number(),
    tokens: z.object({ read: z.int(), supervised: z.int() }),
    seconds: z.number(),
    /** Resident bytes of the engine process. */
    memory: z.int(),
    metrics: z.record(z.string(), z.number()),
  }),
  event('eval-end', { step: z.int(), metrics: z.record(z.string(), z.number()) }),
  event('checkpoint-saved', { step: z.int(), folder: z.string(), bytes: z.int() }),
  event('warning', { code: z.string(), message: z.string(), help: z.string() }),
  /** What the engine predicts of this attempt's steps, by a dry run; `memory_kinds` adds up to `memory`, in bytes. */
  event('estimate', takes),
  /** What it came to. */
  event('account', takes),
  /** Sums by op over the profiled steps; the timeline is in the file. */
  event('profile', {
    file: z.string(),
    steps: z.int(),
    /** GFLOP/s of multiply-adds. */
    peak: z.number(),
    dropped: z.int(),
    ops: z.array(
      z.object({
        name: z.string(),
        calls: z.int(),
        seconds: z.number(),
        kernel_seconds: z.number(),
        flops: z.number(),
        bytes: z.number(),
      }),
    ),
  }),
  event('run-end', {
    outcome: z.enum(['finished', 'stopped', 'failed']),
    error: z.object({ code: z.string(), message: z.string(), help: z.string() }).optional(),
  }),
]);
export type RunEvent = z.infer<typeof RunEvent>;
export type RunEventType = RunEvent['type'];

/** The fields of one event, without those that every line carries. */
export type EventBody<Type extends RunEventType = RunEventType> = Type extends RunEventType
  ? Omit<Extract<RunEvent, { type: Type }>, 'schema' | 'run_id' | 'attempt' | 'time'>
  : never;
