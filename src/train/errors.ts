/** @file Errors of training and its checkpoints. */
import { defineError } from '../core/errors.ts';

export const notACheckpoint = defineError(
  'train/not-a-checkpoint',
  (folder: string, why: string) => ({
    message: `\`${folder}\` is not a complete checkpoint: ${why}`,
    place: { file: folder },
    help: 'name a folder `checkpoint-N` of a run, or set `resume_from_checkpoint: true` for the newest complete one',
  }),
);
