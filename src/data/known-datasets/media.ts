/** @file Data sets that carry images. They are known, so that what is said of them is the reason, not a wrong name. */
import { type KnownDatasets, roleTags } from './entry.ts';

export const media: KnownDatasets = {
  llava_1k_en: {
    hf_hub_url: 'BUAADreamer/llava-en-zh-2k',
    subset: 'en',
    formatting: 'sharegpt',
    columns: { messages: 'messages', images: 'images' },
    tags: roleTags,
  },
  llava_1k_zh: {
    hf_hub_url: 'BUAADreamer/llava-en-zh-2k',
    subset: 'zh',
    formatting: 'sharegpt',
    columns: { messages: 'messages', images: 'images' },
    tags: roleTags,
  },
  llava_150k_en: {
    hf_hub_url: 'BUAADreamer/llava-en-zh-300k',
    subset: 'en',
    formatting: 'sharegpt',
    columns: { messages: 'messages', images: 'images' },
    tags: roleTags,
  },
  llava_150k_zh: {
    hf_hub_url: 'BUAADreamer/llava-en-zh-300k',
    subset: 'zh',
    formatting: 'sharegpt',
    columns: { messages: 'messages', images: 'images' },
    tags: roleTags,
  },
  pokemon_cap: {
    hf_hub_url: 'llamafactory/pokemon-gpt4o-captions',
    formatting: 'sharegpt',
    columns: { messages: 'conversations', images: 'images' },
  },
  mllm_pt_demo: {
    hf_hub_url: 'BUAADreamer/mllm_pt_demo',
    formatting: 'sharegpt',
    columns: { messages: 'messages', images: 'images' },
    tags: roleTags,
  },
  rlhf_v: {
    hf_hub_url: 'llamafactory/RLHF-V',
    ranking: true,
    formatting: 'sharegpt',
    columns: {
      messages: 'conversations',
      chosen: 'chosen',
      rejected: 'rejected',
      images: 'images',
    },
  },
  vlfeedback: {
    hf_hub_url: 'Zhihui/VLFeedback',
    ranking: true,
    formatting: 'sharegpt',
    columns: {
      messages: 'conversations',
      chosen: 'chosen',
      rejected: 'rejected',
      images: 'images',
    },
  },
  rlaif_v: {
    hf_hub_url: 'openbmb/RLAIF-V-Dataset',
    ranking: true,
    columns: { prompt: 'question', chosen: 'chosen', rejected: 'rejected', images: 'image' },
  },
};
