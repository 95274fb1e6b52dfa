/** @file Errors of training and its checkpoints. */
import { defineError, formatPlace, type Place } from '../core/errors.ts';

export const notACheckpoint = defineError(
  'train/not-a-checkpoint',
  (folder: string, why: string) => ({
    message: `\`${folder}\` is not a complete checkpoint: ${why}`,
    place: { file: folder },
    help: 'name a folder `checkpoint-N` of a run, or set `resume_from_checkpoint: true` for the newest complete one',
  }),
);

export type NonFinite = {
  readonly what: 'loss' | 'gradient norm';
  readonly step: number;
  readonly learningRate: number;
  /** What was being learned. */
  readonly rows: readonly number[];
  readonly placeOf: (row: number) => Place | undefined;
};

export const nonFinite = defineError(
  'train/non-finite',
  ({ what, step, learningRate, rows, placeOf }: NonFinite) => {
    const places = rows.map(placeOf).filter((place) => place !== undefined);
    const named = places.slice(0, 5).map(formatPlace).join(', ');
    const more = places.length > 5 ? ` and ${places.length - 5} more rows` : '';
    const cause =
      step === 1
        ? 'nothing has been learned before the first step, so damaged weights are the likely cause: fetch or convert the model again'
        : `the likely cause is a learning rate that is too high (${Number(learningRate.toPrecision(3))} at this step): lower \`learning_rate\`, or raise \`warmup_steps\``;
    return {
      message: `the ${what} of step ${step} is not a number`,
      place: places[0],
      help: `${cause}${named === '' ? '' : `; it came from ${named}${more}`}`,
    };
  },
);
