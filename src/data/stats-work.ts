/** @file What training on a set comes to: optimizer steps, and the tokens that are computed, here and by a trainer that pads. */
import { type OrderOptions, orderSteps, stepsPerEpoch, totalSteps } from './order.ts';
import type { Prepared } from './prepared.ts';
import { kindOf } from './stage.ts';

export type Work = {
  readonly steps_per_epoch: number;
  readonly steps: number;
  readonly rows_per_step: number;
  /** Tokens of one epoch, as they are computed here. */
  readonly epoch_tokens: number;
  /** The same rows where each batch is padded to its longest one, rounded up to a multiple of 8 (LLaMA-Factory's collator). */
  readonly padded_tokens: number;
  /** Of rows that are packs: the share of `cutoff_len` that their documents fill. */
  readonly pack_fill: number | null;
};

const padMultiple = 8;
const rounded = (length: number): number => Math.ceil(length / padMultiple) * padMultiple;

export function workOf(
  prepared: Prepared,
  order: Omit<OrderOptions, 'rows'>,
  /** Tokens of a full pack; undefined where rows are no packs. */
  capacity: number | undefined,
): Work {
  const options: OrderOptions = { ...order, rows: prepared.count };
  const sequencesOf = sequences(prepared);
  let padded = 0;
  for (const { rows } of orderSteps({ ...options, epochs: 1, maxSteps: 0 })) {
    for (let from = 0; from < rows.length; from += order.batch) {
      padded += paddedTokens(rows.subarray(from, from + order.batch), sequencesOf);
    }
  }
  // A padding trainer pads packs to the full `cutoff_len`.
  const whole = capacity === undefined ? padded : prepared.count * rounded(capacity);
  return {
    steps_per_epoch: stepsPerEpoch(options),
    steps: totalSteps(options),
    rows_per_step: Math.min(order.batch * order.accumulation, prepared.count),
    epoch_tokens: prepared.tokens,
    padded_tokens: whole,
    pack_fill: capacity === undefined ? null : prepared.tokens / (prepared.count * capacity),
  };
}

/** Lengths of the sequences that a padding trainer makes of a row, by the batch that each goes into. */
type Sequences = (row: number) => readonly (readonly number[])[];

function sequences(prepared: Prepared): Sequences {
  const length = (name: string, row: number): number => prepared.column(name, row).length;
  switch (kindOf[prepared.manifest.stage]) {
    case 'pairs':
      return (row) => {
        const prompt = length('prompt_ids', row);
        return [[prompt + length('chosen_ids', row), prompt + length('rejected_ids', row)]];
      };
    case 'tagged':
      return (row) => [[length('input_ids', row)], [length('kl_input_ids', row)]];
    case 'prompts':
      return (row) => [[length('prompt_ids', row)]];
    default:
      return (row) => [[length('input_ids', row)]];
  }
}

function paddedTokens(rows: Int32Array, sequencesOf: Sequences): number {
  const batches: { longest: number; count: number }[] = [];
  for (const row of rows) {
    for (const [i, lengths] of sequencesOf(row).entries()) {
      const batch = batches[i] ?? { longest: 0, count: 0 };
      batches[i] = batch;
      batch.longest = Math.max(batch.longest, ...lengths);
      batch.count += lengths.length;
    }
  }
  return batches.reduce((sum, { longest, count }) => sum + rounded(longest) * count, 0);
}
