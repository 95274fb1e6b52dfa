/** @file Settings of what is learned. */
import { z } from 'zod';
import { field, type SectionOf, section } from '../core/field.ts';
import { stages } from '../data/stage.ts';

export const methodSection = section('method', 'Method', {
  stage: field(z.enum(stages).default('sft'), {
    help: 'What is learned: `pt` is all tokens of plain text, `sft` is the replies of conversations. The data of the others can be prepared and looked at.',
    laterIn: {
      train: {
        rm: 'of the training stages only `pt` and `sft` are there',
        ppo: 'of the training stages only `pt` and `sft` are there',
        dpo: 'use `stage: sft` on the chosen replies',
        kto: 'use `stage: sft` on the desirable replies',
      },
    },
  }),
});
export type MethodSettings = SectionOf<typeof methodSection>;
