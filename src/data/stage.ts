/** @file The training stages, and the columns that a Prepared set has for each. */

export const stages = ['pt', 'sft', 'rm', 'dpo', 'kto', 'ppo'] as const;
export type Stage = (typeof stages)[number];

/** What a stage learns from. */
export type Kind = 'text' | 'conversations' | 'pairs' | 'tagged' | 'prompts';

export const kindOf: Readonly<Record<Stage, Kind>> = {
  pt: 'text',
  sft: 'conversations',
  rm: 'pairs',
  dpo: 'pairs',
  kto: 'tagged',
  ppo: 'prompts',
};

export type Shape = {
  /** Each ragged column with the name of its bounds: columns of one name are equally long in every row. */
  readonly columns: Readonly<Record<string, string>>;
  /** Columns of the tokens that a row feeds; the length of a document is theirs together. */
  readonly fed: readonly string[];
};

/**
 * Columns of a row. A pair's prompt is stored once, for both replies go on from it: LLaMA-Factory's
 * `chosen_input_ids` are `prompt_ids` and then `chosen_ids`, its `chosen_labels` are −100 for each token of
 * the prompt and then `chosen_labels`. `kl_…` is the prompt with the reply of the row before. `reply_ids` of
 * a prompt to be answered are the reply of the data, which nothing learns.
 */
export const shapes: Readonly<Record<Kind, Shape>> = {
  text: { columns: { input_ids: 'row', labels: 'row' }, fed: ['input_ids'] },
  conversations: { columns: { input_ids: 'row', labels: 'row' }, fed: ['input_ids'] },
  pairs: {
    columns: {
      prompt_ids: 'prompt',
      chosen_ids: 'chosen',
      chosen_labels: 'chosen',
      rejected_ids: 'rejected',
      rejected_labels: 'rejected',
    },
    fed: ['prompt_ids', 'chosen_ids', 'rejected_ids'],
  },
  tagged: {
    columns: {
      input_ids: 'row',
      labels: 'row',
      kl_input_ids: 'kl',
      kl_labels: 'kl',
      /** One value: 1 where the reply is wanted. */
      kto_tag: 'tag',
    },
    fed: ['input_ids'],
  },
  prompts: { columns: { prompt_ids: 'prompt', reply_ids: 'reply' }, fed: ['prompt_ids'] },
};

/** Columns that make a set what it is, in the order in which its digest takes them; the others say where rows came from. */
export const contentColumns = ({ columns }: Shape): readonly string[] => [
  ...Object.keys(columns),
  ...[...new Set(Object.values(columns))].map((group) => `${group}_offsets`),
  'document_offsets',
  'document_lengths',
];

export const shapeOf = (stage: Stage): Shape => shapes[kindOf[stage]];
