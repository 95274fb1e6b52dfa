/** @file Errors of evaluations. */
import { defineError, type Place } from '../core/errors.ts';

export const promptTooLong = defineError(
  'eval/prompt-too-long',
  (place: Place, tokens: number, most: number) => ({
    message: `the prompt of this row has ${tokens} tokens, and the model’s context holds ${most}, of which at least one is for the reply`,
    place,
    help: 'lower `cutoff_len`, which cuts it, or take the row out',
  }),
);

export const alreadyPredicting = defineError('eval/already-predicting', (file: string) => ({
  message: 'another process writes these predictions',
  place: { file },
  help: 'wait for it, or choose another `output_dir`',
}));
