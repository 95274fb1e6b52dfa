/** @file What the next step depends on beside the weights, and how it comes back from a checkpoint. */
import { z } from 'zod';
import { invariant } from '../core/errors.ts';
import type { AdaptiveState } from '../engine/optim/adaptive-schedules.ts';
import type { Parameter } from '../engine/parameter.ts';
import type { Tensor } from '../engine/tensor.ts';
import { toF32 } from '../kernels/convert.ts';
import type { Checkpoint } from './checkpoint.ts';

const State = z.object({
  /** Optimizer steps done: the next rows are the plan's at this index. */
  step: z.int().nonnegative(),
  /** Losses since the last log line. */
  lossSum: z.number(),
  lossSteps: z.int().nonnegative(),
  best: z.object({ step: z.int(), metric: z.number() }).nullable(),
  /** Evaluations in a row that were not better. */
  notBetter: z.int().nonnegative(),
  /** Of a schedule that follows the evaluation. */
  schedule: z.custom<AdaptiveState>().nullable(),
});
export type State = z.infer<typeof State>;

export const newState = (schedule: AdaptiveState | null): State => ({
  step: 0,
  lossSum: 0,
  lossSteps: 0,
  best: null,
  notBetter: 0,
  schedule,
});

export const readState = ({ state }: Checkpoint): State => State.parse(state);

/** Copies a checkpoint's tensors into place. */
export function restoreTensors(
  checkpoint: Checkpoint,
  parameters: ReadonlyMap<string, Parameter>,
  optimizer: ReadonlyMap<string, Tensor>,
): void {
  const copy = (name: string, into: Tensor): void => {
    const stored = checkpoint.tensors.get(name);
    invariant(
      stored?.bytes.byteLength === into.data.byteLength,
      `the checkpoint has no ${name} of this shape`,
    );
    // Moments in 8 bits are codes.
    if (into.dtype === 'u8') into.data.set(stored.bytes);
    else toF32.run(stored.bytes, 'F32', into.data);
  };
  for (const [name, { tensor }] of parameters) copy(name, tensor);
  for (const [name, moment] of optimizer) copy(`optimizer.${name}`, moment);
}
