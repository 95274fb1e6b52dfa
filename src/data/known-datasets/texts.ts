/** @file Data sets of plain texts, for `stage: pt`. */
import type { KnownDatasets } from './entry.ts';

export const texts: KnownDatasets = {
  refinedweb: { hf_hub_url: 'tiiuae/falcon-refinedweb', columns: { prompt: 'content' } },
  wikipedia_en: {
    hf_hub_url: 'olm/olm-wikipedia-20221220',
    ms_hub_url: 'AI-ModelScope/olm-wikipedia-20221220',
    columns: { prompt: 'text' },
  },
  wikipedia_zh: {
    hf_hub_url: 'pleisto/wikipedia-cn-20230720-filtered',
    ms_hub_url: 'AI-ModelScope/wikipedia-cn-20230720-filtered',
    columns: { prompt: 'completion' },
  },
  skypile: {
    hf_hub_url: 'Skywork/SkyPile-150B',
    ms_hub_url: 'AI-ModelScope/SkyPile-150B',
    columns: { prompt: 'text' },
  },
  fineweb: { hf_hub_url: 'HuggingFaceFW/fineweb', columns: { prompt: 'text' } },
  fineweb_edu: { hf_hub_url: 'HuggingFaceFW/fineweb-edu', columns: { prompt: 'text' } },
  cci3_hq: { hf_hub_url: 'BAAI/CCI3-HQ', columns: { prompt: 'text' } },
  cci3_data: { hf_hub_url: 'BAAI/CCI3-Data', columns: { prompt: 'text' } },
  cci4_base: { hf_hub_url: 'BAAI/CCI4.0-M2-Base-v1', columns: { prompt: 'text' } },
  cci4_cot: { hf_hub_url: 'BAAI/CCI4.0-M2-CoT-v1', columns: { prompt: 'text' } },
  cci4_extra: { hf_hub_url: 'BAAI/CCI4.0-M2-Extra-v1', columns: { prompt: 'text' } },
  the_stack: {
    hf_hub_url: 'bigcode/the-stack',
    ms_hub_url: 'AI-ModelScope/the-stack',
    columns: { prompt: 'content' },
  },
  starcoder_python: {
    hf_hub_url: 'bigcode/starcoderdata',
    ms_hub_url: 'AI-ModelScope/starcoderdata',
    columns: { prompt: 'content' },
    folder: 'python',
  },
};
