/** @file Settings of sampling, for chat, the API and predictions. */
import { z } from 'zod';
import { field, type SectionOf, section } from '../core/field.ts';

export const generateSection = section('generate', 'Generation', {
  do_sample: field(z.boolean().default(true), {
    help: 'Draw each token at random; false always takes the likeliest.',
  }),
  temperature: field(z.number().min(0).default(0.95), {
    help: 'How freely tokens are drawn; 0 is the same as `do_sample: false`.',
    healthy: [0, 2],
  }),
  top_p: field(z.number().gt(0).max(1).default(0.7), {
    help: 'Draw from the fewest tokens whose probabilities reach this sum.',
  }),
  top_k: field(z.int().min(0).default(50), {
    help: 'Draw from the so many likeliest tokens; 0 is no limit.',
  }),
  min_p: field(z.number().min(0).max(1).default(0), {
    help: 'Leave out tokens less likely than this share of the likeliest.',
    level: 'advanced',
  }),
  num_beams: field(z.int().min(1).max(1).default(1), {
    help: 'Beams of beam search; only 1, which is none.',
    aliases: ['infer_num_beams'],
    later: { '*': 'beam search is not there; use sampling, or `do_sample: false`' },
    level: 'advanced',
  }),
  max_new_tokens: field(z.int().default(1024), {
    help: 'Longest reply; 0 or less leaves it to `max_length`.',
    unit: 'tokens',
  }),
  max_length: field(z.int().min(1).default(1024), {
    help: 'Longest prompt and reply together; only where `max_new_tokens` is 0 or less.',
    unit: 'tokens',
    level: 'advanced',
  }),
  repetition_penalty: field(z.number().positive().default(1), {
    help: 'Above 1, tokens that have occurred become less likely.',
    healthy: [0.8, 2],
    level: 'advanced',
  }),
  skip_special_tokens: field(z.boolean().default(true), {
    help: 'Leave special tokens out of the text that is shown.',
    level: 'advanced',
  }),
});
export type GenerateSettings = SectionOf<typeof generateSection>;
