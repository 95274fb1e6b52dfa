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

export const nonFinite = defineError(
  'train/non-finite',
  (
    what: string,
    step: number,
    rows: readonly number[],
    placeOf: (row: number) => Place | undefined,
  ) => {
    const places = rows.map(placeOf).filter((place) => place !== undefined);
    const named = places.slice(0, 5).map(formatPlace).join(', ');
    return {
      message: `the ${what} of step ${step} is not a number`,
      ...(places[0] ? { place: places[0] } : {}),
      help: `it came from ${named}${places.length > 5 ? ` and ${places.length - 5} more rows` : ''}. Most often the learning rate is too high: lower \`learning_rate\`, or raise \`warmup_steps\`; if it is the first step, look for damaged weights. The last checkpoint is intact: go on from it with \`resume_from_checkpoint: true\``,
    };
  },
);
