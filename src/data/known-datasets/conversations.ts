/** @file Data sets of conversations, in the sharegpt format. */
import { type KnownDatasets, roleTags } from './entry.ts';

export const conversations: KnownDatasets = {
  glaive_toolcall_en: {
    hf_hub_url: 'llamafactory/glaive_toolcall_en',
    formatting: 'sharegpt',
    columns: { messages: 'conversations', tools: 'tools' },
  },
  glaive_toolcall_zh: {
    hf_hub_url: 'llamafactory/glaive_toolcall_zh',
    formatting: 'sharegpt',
    columns: { messages: 'conversations', tools: 'tools' },
  },
  lima: { hf_hub_url: 'llamafactory/lima', formatting: 'sharegpt' },
  slimorca: { hf_hub_url: 'Open-Orca/SlimOrca', formatting: 'sharegpt' },
  sharegpt_hyper: {
    hf_hub_url: 'totally-not-an-llm/sharegpt-hyperfiltered-3k',
    formatting: 'sharegpt',
  },
  sharegpt4: {
    hf_hub_url: 'shibing624/sharegpt_gpt4',
    ms_hub_url: 'AI-ModelScope/sharegpt_gpt4',
    formatting: 'sharegpt',
  },
  sgsc_b2b_entities: {
    hf_hub_url: 'Nooxus-AI/NOO-Verified-Global-Entities',
    formatting: 'sharegpt',
    columns: { messages: 'messages' },
  },
  ultrachat_200k: {
    hf_hub_url: 'HuggingFaceH4/ultrachat_200k',
    ms_hub_url: 'AI-ModelScope/ultrachat_200k',
    split: 'train_sft',
    formatting: 'sharegpt',
    columns: { messages: 'messages' },
    tags: roleTags,
  },
  infinity_instruct: { hf_hub_url: 'BAAI/Infinity-Instruct', formatting: 'sharegpt' },
  agent_instruct: {
    hf_hub_url: 'THUDM/AgentInstruct',
    ms_hub_url: 'ZhipuAI/AgentInstruct',
    formatting: 'sharegpt',
  },
  lmsys_chat: {
    hf_hub_url: 'lmsys/lmsys-chat-1m',
    ms_hub_url: 'AI-ModelScope/lmsys-chat-1m',
    formatting: 'sharegpt',
    columns: { messages: 'conversation' },
    tags: roleTags,
  },
  evol_instruct: {
    hf_hub_url: 'WizardLM/WizardLM_evol_instruct_V2_196k',
    ms_hub_url: 'AI-ModelScope/WizardLM_evol_instruct_V2_196k',
    formatting: 'sharegpt',
  },
  glaive_toolcall_100k: {
    hf_hub_url: 'hiyouga/glaive-function-calling-v2-sharegpt',
    formatting: 'sharegpt',
    columns: { messages: 'conversations', tools: 'tools' },
  },
  neo_sft: { hf_hub_url: 'm-a-p/neo_sft_phase2', formatting: 'sharegpt' },
  magpie_pro_300k: { hf_hub_url: 'Magpie-Align/Magpie-Pro-300K-Filtered', formatting: 'sharegpt' },
  open_thoughts: {
    hf_hub_url: 'llamafactory/OpenThoughts-114k',
    formatting: 'sharegpt',
    columns: { messages: 'messages' },
    tags: { ...roleTags, system_tag: 'system' },
  },
  open_r1_math: {
    hf_hub_url: 'llamafactory/OpenR1-Math-94k',
    formatting: 'sharegpt',
    columns: { messages: 'messages' },
    tags: { ...roleTags, system_tag: 'system' },
  },
};
