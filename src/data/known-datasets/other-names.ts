/** @file Names under which data sets are known elsewhere: in articles, and in LLaMA-Factory's earlier versions. */
import type { KnownDatasets } from './entry.ts';
import { instructions } from './instructions.ts';

/** The same data set by another name. */
export const otherNames: KnownDatasets = {
  belle_2m_cn: instructions['belle_2m']!,
  belle_1m_cn: instructions['belle_1m']!,
  'belle_0.5m_cn': instructions['belle_0.5m']!,
  'firefly_train_1.1m': instructions['firefly']!,
  'firefly-train-1.1m': instructions['firefly']!,
  // The rows of `fnlp/moss-003-sft-data` without tools, whose own files are zipped and of another form.
  moss_003_sft_data: { hf_hub_url: 'YeungNLP/moss-003-sft-data', formatting: 'turns' },
  alpaca: { hf_hub_url: 'tatsu-lab/alpaca' },
};

/** Names of benchmarks, which are no rows to learn from. */
export const benchmarks: readonly string[] = ['c_eval', 'ceval', 'cmmlu', 'mmlu'];

/** Data sets that have no form that can be read: said at once, before anything is fetched. */
export const unread: Readonly<Record<string, string>> = {
  pile: 'its files are .jsonl.zst, which are not read yet',
  redpajama_v2: 'only a script makes its rows, from files outside the hub',
  belle_multiturn:
    'only a script makes its rows; `belle_dialog` holds conversations of the same makers',
  ultra_chat: 'only a script makes its rows; `ultrachat_200k` is its filtered form',
  hh_rlhf_en: 'only a script makes its rows; `dpo_mix_en` holds preferences',
};
