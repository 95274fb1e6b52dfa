/** @file Settings that leave rows out. */
import { z } from 'zod';
import { field, type Rule, textList } from '../core/field.ts';
import { didYouMean } from '../core/suggest.ts';
import { parseFilter } from './filter-expression.ts';
import { scriptNames } from './text-script.ts';

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
  filter_expression: field(z.string().nullable().default(null), {
    help: 'Keep only rows for which it is true: `turns >= 2 and length(reply) > 20 and not contains(reply, "http")`.',
    level: 'advanced',
  }),
};

export const filterRules: readonly Rule[] = [
  ({ filter_expression: text }) => {
    const parsed = typeof text === 'string' ? parseFilter(text) : undefined;
    if (!parsed || !('fault' in parsed)) return undefined;
    return {
      keys: ['filter_expression'],
      message: `\`filter_expression\` cannot be read: ${parsed.fault}`,
      help: 'for example `turns >= 2 and length(reply) > 20 and not contains(reply, "http")`',
    };
  },
  ({ filter_scripts: names }) => {
    const known: readonly string[] = scriptNames;
    const unknown = Array.isArray(names)
      ? names.map(String).find((name) => !known.includes(name))
      : undefined;
    if (unknown === undefined) return undefined;
    return {
      keys: ['filter_scripts'],
      message: `\`${unknown}\` is no script that is known here${didYouMean(unknown, known)}`,
      help: `known: ${known.join(', ')}`,
    };
  },
  ({ filter_min_tokens: least, filter_max_tokens: most }) =>
    typeof least === 'number' && typeof most === 'number' && least > most
      ? {
          keys: ['filter_min_tokens', 'filter_max_tokens'],
          message: `no row has at least ${least} tokens and at most ${most}`,
          help: 'give bounds that rows can be between',
        }
      : undefined,
];
