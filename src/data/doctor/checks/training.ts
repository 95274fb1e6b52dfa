/** @file What a run would make of the rows: its template, its `cutoff_len`, its sources. Needs a model or a settings file. */
import type { Kind } from '../check.ts';

export const beyondCutoff: Kind = {
  code: 'data/reply-beyond-cutoff',
  severity: 'error',
  title: 'a reply lies wholly beyond `cutoff_len`',
  help: 'raise `cutoff_len`, or shorten the prompt: nothing of the row is learned',
};

export const unsupervised: Kind = {
  code: 'data/unsupervised',
  severity: 'error',
  title: 'no token of a row is learned',
  help: 'look at it with `tunery data tokens`; `allow_unsupervised: true` lets such rows pass',
};

export const cutPrompt: Kind = {
  code: 'data/cut-prompt',
  severity: 'warning',
  title: 'a prompt is cut off by `cutoff_len`',
  help: 'raise `cutoff_len`: the reply is learned after half a question',
};

export const cutByLength: Kind = {
  code: 'data/truncated',
  severity: 'warning',
  title: 'a reply is cut off by `cutoff_len`',
  help: 'raise `cutoff_len`, or leave such rows out: the model does not learn where the reply ends',
};

export const toolsLeftOut: Kind = {
  code: 'data/tools-left-out',
  severity: 'warning',
  title: 'the tools of a row are left out by the template',
  help: 'name a template that writes them, or take such rows out',
};

export const callsLeftOut: Kind = {
  code: 'data/calls-left-out',
  severity: 'warning',
  title: 'the calls of a row are left out by the template',
  help: 'name a template that writes them, or take such rows out',
};

export const thoughtsLeftOut: Kind = {
  code: 'data/thoughts-left-out',
  severity: 'warning',
  title: 'the thoughts beside a reply are left out by the template',
  help: 'put them into the reply’s text, or choose a template that writes them',
};

export const refused: Kind = {
  code: 'data/refused',
  severity: 'error',
  title: 'a run would refuse the row',
  help: 'mend or remove the row',
};

export const sourceSizes: Kind = {
  code: 'data/source-sizes',
  severity: 'note',
  title: 'the data sets are of very different size',
  help: 'the small one is hardly seen; `mix_strategy: interleave_over` or `num_samples` balances them',
};

export const datasetInfo: Kind = {
  code: 'data/dataset-info',
  severity: 'error',
  title: 'an entry of dataset_info.json is wrong',
  help: 'mend the entry',
};

export const unusedColumn: Kind = {
  code: 'data/column-never-seen',
  severity: 'error',
  title: 'a column of dataset_info.json is in no row',
  help: 'take it out of `columns`, or name the column that is meant',
};

export const unusedTag: Kind = {
  code: 'data/tag-never-seen',
  severity: 'error',
  title: 'a tag of dataset_info.json is in no row',
  help: 'name the roles and keys that the rows use under `tags`',
};
