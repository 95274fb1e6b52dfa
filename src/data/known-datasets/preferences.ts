/** @file Data sets of preferences: a chosen and a rejected reply, or one that is tagged as wanted or not. */
import { type KnownDatasets, roleTags } from './entry.ts';

export const preferences: KnownDatasets = {
  dpo_mix_en: {
    hf_hub_url: 'llamafactory/DPO-En-Zh-20k',
    subset: 'en',
    ranking: true,
    formatting: 'sharegpt',
    columns: { messages: 'conversations', chosen: 'chosen', rejected: 'rejected' },
  },
  dpo_mix_zh: {
    hf_hub_url: 'llamafactory/DPO-En-Zh-20k',
    subset: 'zh',
    ranking: true,
    formatting: 'sharegpt',
    columns: { messages: 'conversations', chosen: 'chosen', rejected: 'rejected' },
  },
  ultrafeedback: {
    hf_hub_url: 'llamafactory/ultrafeedback_binarized',
    ms_hub_url: 'llamafactory/ultrafeedback_binarized',
    ranking: true,
    columns: { prompt: 'instruction', chosen: 'chosen', rejected: 'rejected' },
  },
  coig_p: {
    hf_hub_url: 'm-a-p/COIG-P',
    ranking: true,
    formatting: 'sharegpt',
    columns: { messages: 'conversations', chosen: 'chosen', rejected: 'rejected' },
  },
  orca_pairs: {
    hf_hub_url: 'Intel/orca_dpo_pairs',
    ranking: true,
    columns: { prompt: 'question', chosen: 'chosen', rejected: 'rejected', system: 'system' },
  },
  nectar_rm: {
    hf_hub_url: 'AstraMindAI/RLAIF-Nectar',
    ms_hub_url: 'AI-ModelScope/RLAIF-Nectar',
    ranking: true,
  },
  orca_dpo_de: { hf_hub_url: 'mayflowergmbh/intel_orca_dpo_pairs_de', ranking: true },
  kto_mix_en: {
    hf_hub_url: 'argilla/kto-mix-15k',
    formatting: 'sharegpt',
    columns: { messages: 'completion', kto_tag: 'label' },
    tags: roleTags,
  },
  ultrafeedback_kto: {
    hf_hub_url: 'argilla/ultrafeedback-binarized-preferences-cleaned-kto',
    ms_hub_url: 'AI-ModelScope/ultrafeedback-binarized-preferences-cleaned-kto',
    columns: { prompt: 'prompt', response: 'completion', kto_tag: 'label' },
  },
};
