/** @file Data sets of single instructions and their replies, in the alpaca format. */
import type { KnownDatasets } from './entry.ts';

export const instructions: KnownDatasets = {
  alpaca_en: {
    hf_hub_url: 'llamafactory/alpaca_en',
    ms_hub_url: 'llamafactory/alpaca_en',
    om_hub_url: 'HaM/alpaca_en',
  },
  alpaca_zh: { hf_hub_url: 'llamafactory/alpaca_zh', ms_hub_url: 'llamafactory/alpaca_zh' },
  alpaca_gpt4_en: {
    hf_hub_url: 'llamafactory/alpaca_gpt4_en',
    ms_hub_url: 'llamafactory/alpaca_gpt4_en',
  },
  alpaca_gpt4_zh: {
    hf_hub_url: 'llamafactory/alpaca_gpt4_zh',
    ms_hub_url: 'llamafactory/alpaca_gpt4_zh',
    om_hub_url: 'State_Cloud/alpaca-gpt4-data-zh',
  },
  guanaco: {
    hf_hub_url: 'JosephusCheung/GuanacoDataset',
    ms_hub_url: 'AI-ModelScope/GuanacoDataset',
  },
  belle_2m: { hf_hub_url: 'BelleGroup/train_2M_CN', ms_hub_url: 'AI-ModelScope/train_2M_CN' },
  belle_1m: { hf_hub_url: 'BelleGroup/train_1M_CN', ms_hub_url: 'AI-ModelScope/train_1M_CN' },
  'belle_0.5m': {
    hf_hub_url: 'BelleGroup/train_0.5M_CN',
    ms_hub_url: 'AI-ModelScope/train_0.5M_CN',
  },
  belle_dialog: {
    hf_hub_url: 'BelleGroup/generated_chat_0.4M',
    ms_hub_url: 'AI-ModelScope/generated_chat_0.4M',
  },
  belle_math: {
    hf_hub_url: 'BelleGroup/school_math_0.25M',
    ms_hub_url: 'AI-ModelScope/school_math_0.25M',
  },
  open_platypus: {
    hf_hub_url: 'garage-bAInd/Open-Platypus',
    ms_hub_url: 'AI-ModelScope/Open-Platypus',
  },
  codealpaca: {
    hf_hub_url: 'sahil2801/CodeAlpaca-20k',
    ms_hub_url: 'AI-ModelScope/CodeAlpaca-20k',
  },
  alpaca_cot: { hf_hub_url: 'QingyiSi/Alpaca-CoT', ms_hub_url: 'AI-ModelScope/Alpaca-CoT' },
  openorca: {
    hf_hub_url: 'Open-Orca/OpenOrca',
    ms_hub_url: 'AI-ModelScope/OpenOrca',
    columns: { prompt: 'question', response: 'response', system: 'system_prompt' },
  },
  mathinstruct: {
    hf_hub_url: 'TIGER-Lab/MathInstruct',
    ms_hub_url: 'AI-ModelScope/MathInstruct',
    columns: { prompt: 'instruction', response: 'output' },
  },
  firefly: {
    hf_hub_url: 'YeungNLP/firefly-train-1.1M',
    columns: { prompt: 'input', response: 'target' },
  },
  wikiqa: { hf_hub_url: 'wiki_qa', columns: { prompt: 'question', response: 'answer' } },
  webqa: {
    hf_hub_url: 'suolyer/webqa',
    ms_hub_url: 'AI-ModelScope/webqa',
    columns: { prompt: 'input', response: 'output' },
  },
  webnovel: { hf_hub_url: 'zxbsmk/webnovel_cn', ms_hub_url: 'AI-ModelScope/webnovel_cn' },
  nectar_sft: { hf_hub_url: 'AstraMindAI/SFT-Nectar', ms_hub_url: 'AI-ModelScope/SFT-Nectar' },
  deepctrl: { ms_hub_url: 'deepctrl/deepctrl-sft-data' },
  adgen_train: {
    hf_hub_url: 'HasturOfficial/adgen',
    ms_hub_url: 'AI-ModelScope/adgen',
    split: 'train',
    columns: { prompt: 'content', response: 'summary' },
  },
  adgen_eval: {
    hf_hub_url: 'HasturOfficial/adgen',
    ms_hub_url: 'AI-ModelScope/adgen',
    split: 'validation',
    columns: { prompt: 'content', response: 'summary' },
  },
  cosmopedia: {
    hf_hub_url: 'HuggingFaceTB/cosmopedia',
    columns: { prompt: 'prompt', response: 'text' },
  },
  stem_zh: { hf_hub_url: 'hfl/stem_zh_instruction' },
  ruozhiba_gpt4: { hf_hub_url: 'hfl/ruozhiba_gpt4_turbo' },
  magpie_ultra: {
    hf_hub_url: 'argilla/magpie-ultra-v0.1',
    columns: { prompt: 'instruction', response: 'response' },
  },
  web_instruct: {
    hf_hub_url: 'TIGER-Lab/WebInstructSub',
    columns: { prompt: 'question', response: 'answer' },
  },
  openo1_sft: {
    hf_hub_url: 'llamafactory/OpenO1-SFT',
    ms_hub_url: 'llamafactory/OpenO1-SFT',
    columns: { prompt: 'prompt', response: 'response' },
  },
  chinese_r1_distill: {
    hf_hub_url: 'Congliu/Chinese-DeepSeek-R1-Distill-data-110k-SFT',
    ms_hub_url: 'liucong/Chinese-DeepSeek-R1-Distill-data-110k-SFT',
  },
  oasst_de: { hf_hub_url: 'mayflowergmbh/oasst_de' },
  dolly_15k_de: { hf_hub_url: 'mayflowergmbh/dolly-15k_de' },
  'alpaca-gpt4_de': { hf_hub_url: 'mayflowergmbh/alpaca-gpt4_de' },
  openschnabeltier_de: { hf_hub_url: 'mayflowergmbh/openschnabeltier_de' },
  evol_instruct_de: { hf_hub_url: 'mayflowergmbh/evol-instruct_de' },
  dolphin_de: { hf_hub_url: 'mayflowergmbh/dolphin_de' },
  booksum_de: { hf_hub_url: 'mayflowergmbh/booksum_de' },
  airoboros_de: { hf_hub_url: 'mayflowergmbh/airoboros-3.0_de' },
  ultrachat_de: { hf_hub_url: 'mayflowergmbh/ultra-chat_de' },
  dlr_web: {
    hf_hub_url: 'Attention1115/DLR-Web',
    split: 'full',
    columns: { prompt: 'question', response: 'response' },
  },
};
