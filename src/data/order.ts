/**
 * @file Which rows form each optimizer step, as Hugging Face's Trainer counts them: every epoch has its
 * own order, and its last step takes the rows that are left.
 */
import { permutation } from './permutation.ts';

export type OrderOptions = {
  readonly rows: number;
  /** Rows of one micro-step over all ranks: `per_device_train_batch_size` · ranks. */
  readonly batch: number;
  readonly accumulation: number;
  readonly epochs: number;
  /** Above 0 it decides, and `epochs` does not. */
  readonly maxSteps: number;
  readonly seed: number;
  readonly shuffle: boolean;
};

export type StepRows = {
  readonly rows: Int32Array;
  /** Epochs done after this step. */
  readonly epoch: number;
};

export function stepsPerEpoch({ rows, batch, accumulation }: OrderOptions): number {
  return Math.max(1, Math.ceil(Math.ceil(rows / batch) / accumulation));
}

export function totalSteps(options: OrderOptions): number {
  if (options.maxSteps > 0) return options.maxSteps;
  return Math.ceil(options.epochs * stepsPerEpoch(options));
}

/** The steps in turn. More epochs only add to them. */
export function* orderSteps(options: OrderOptions): Generator<StepRows> {
  const { rows, batch, accumulation, seed } = options;
  const inEpoch = stepsPerEpoch(options);
  const total = totalSteps(options);
  const microSteps = Math.ceil(rows / batch);
  let order: Int32Array = new Int32Array(0);
  for (let step = 0; step < total; step++) {
    const epoch = Math.floor(step / inEpoch);
    const within = step % inEpoch;
    if (within === 0) {
      order = options.shuffle
        ? permutation(rows, seed, 'order', epoch)
        : Int32Array.from({ length: rows }, (_, i) => i);
    }
    const size = batch * accumulation;
    const done = Math.min((within + 1) * accumulation, microSteps);
    yield {
      rows: order.slice(within * size, (within + 1) * size),
      epoch: epoch + done / microSteps,
    };
  }
}
