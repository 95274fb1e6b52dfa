/** @file Errors of the optimizers and their schedules. */
import { defineError } from '../../core/errors.ts';
import { didYouMean } from '../../core/suggest.ts';

export const scheduleSetting = defineError(
  'engine/schedule-setting',
  (schedule: string, key: string, fault: string, known: readonly string[]) => ({
    message:
      known.length > 0 && !known.includes(key)
        ? `\`${schedule}\` knows no \`${key}\` in lr_scheduler_kwargs${didYouMean(key, known)}`
        : `lr_scheduler_kwargs.${key} of \`${schedule}\`: ${fault}`,
    place: { file: 'lr_scheduler_kwargs', key },
    help:
      known.length > 0
        ? `\`${schedule}\` takes: ${known.join(', ')}`
        : `\`${schedule}\` takes no settings: remove \`lr_scheduler_kwargs\``,
  }),
);
