/** @file Which settings of mixing and streaming go together. */
import type { Rule, Values } from '../core/field.ts';

const lengthOf = (value: unknown): number => (Array.isArray(value) ? value.length : 0);

function oneForEach(v: Values, key: string) {
  const numbers: unknown = v[key];
  const sets = lengthOf(v.dataset);
  if (!Array.isArray(numbers) || sets === 0 || numbers.length === sets) return undefined;
  return {
    keys: [key, 'dataset'],
    message: `\`dataset\` names ${sets} data sets, and \`${key}\` is for ${numbers.length}`,
    help: 'give one number for each data set, in their order',
  };
}

export const mixingRules: readonly Rule[] = [
  (v) => oneForEach(v, 'interleave_probs'),
  (v) => oneForEach(v, 'dataset_weights'),
  (v) =>
    v.interleave_probs !== null && v.mix_strategy === 'concat'
      ? {
          keys: ['interleave_probs', 'mix_strategy'],
          message:
            '`interleave_probs` are for interleaving, and `mix_strategy: concat` does not draw',
          help: 'set `mix_strategy: interleave_under`, `interleave_over` or `interleave_once`, or take the shares out',
        }
      : undefined,
  (v) => {
    const shares: unknown = v.interleave_probs;
    if (!Array.isArray(shares)) return undefined;
    const sum = shares.reduce((all: number, share: number) => all + share, 0);
    if (Math.abs(sum - 1) < 1e-8 && shares.every((share: number) => share > 0)) return undefined;
    return {
      keys: ['interleave_probs'],
      message: `\`interleave_probs\` must be above 0 and add up to 1; they are ${shares.join(', ')}`,
      help: 'for example `0.7, 0.3`',
    };
  },
  (v) =>
    v.dataset_weights !== null && v.mix_strategy !== 'concat'
      ? {
          keys: ['dataset_weights', 'mix_strategy'],
          message:
            '`dataset_weights` are for `mix_strategy: concat`; interleaving has `interleave_probs`',
          help: 'take one of the two out',
        }
      : undefined,
  (v) =>
    Array.isArray(v.dataset_weights) && !v.dataset_weights.every((weight: number) => weight > 0)
      ? {
          keys: ['dataset_weights'],
          message: 'every number of `dataset_weights` must be above 0',
          help: 'take a data set that is not wanted out of `dataset`',
        }
      : undefined,
];

const withStreaming = (
  applies: (v: Values) => boolean,
  key: string,
  message: string,
  help: string,
): Rule => {
  return (v) =>
    v.streaming === true && applies(v) ? { keys: ['streaming', key], message, help } : undefined;
};

export const streamingRules: readonly Rule[] = [
  (v, { training }) =>
    v.streaming === true && training && !(Number(v.max_steps) > 0)
      ? {
          keys: ['streaming', 'max_steps'],
          message:
            '`streaming` reads as many rows as the steps need, and no number of steps is set',
          help: 'set `max_steps`',
        }
      : undefined,
  withStreaming(
    (v) => v.max_samples !== null,
    'max_samples',
    '`max_samples` limits what is read, and `streaming` does so by the steps',
    'take one of the two out',
  ),
  withStreaming(
    (v) => Number(v.val_size) > 0 && Number(v.val_size) < 1,
    'val_size',
    'with `streaming` the number of rows is not known, so `val_size` cannot be a share',
    'give a count of rows, as `val_size: 200`',
  ),
  withStreaming(
    (v) => v.dataset_weights !== null,
    'dataset_weights',
    '`dataset_weights` need the number of rows, which `streaming` does not know',
    'use `mix_strategy: interleave_under` with `interleave_probs`',
  ),
  withStreaming(
    (v) => v.tokenized_path !== null,
    'tokenized_path',
    '`streaming` keeps the rows of one run, and `tokenized_path` those of the whole data',
    'take one of the two out',
  ),
];
