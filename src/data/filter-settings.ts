/** @file Settings that leave rows out. */
import { z } from 'zod';
import { field, textList } from '../core/field.ts';
import { parseFilter } from './filter-expression.ts';
import { scriptNames } from './text-script.ts';

const expression = z.string().superRefine((text, context) => {
  const parsed = parseFilter(text);
  if ('fault' in parsed) context.addIssue({ code: 'custom', message: parsed.fault });
});

export const filterFields = {
  deduplicate: field(z.boolean().default(false), {
    help: 'Leave out every row whose messages, letter by letter, stood before.',
  }),
  filter_min_tokens: field(z.int().min(0).nullable().default(null), {
    help: 'Leave out rows that are shorter, before any cut.',
    unit: 'tokens',
    level: 'advanced',
  }),
  filter_max_tokens: field(z.int().min(1).nullable().default(null), {
    help: 'Leave out rows that are longer, before any cut.',
    unit: 'tokens',
    level: 'advanced',
  }),
  filter_scripts: field(textList().default([]), {
    help: `Keep only rows that are mostly written in one of these scripts: ${scriptNames.join(', ')}.`,
    level: 'advanced',
  }),
  filter_expression: field(expression.nullable().default(null), {
    help: 'Keep only rows for which it is true: `turns >= 2 and length(reply) > 20 and not contains(reply, "http")`.',
    level: 'advanced',
  }),
};
