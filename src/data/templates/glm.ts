/** @file ChatGLM 2 and 3, GLM 4 to 4.7, their vision models, CodeGeeX and Aeva. */
import { defineTemplate, type NamedTemplate, token } from './template.ts';

/** The token that begins the next turn is what ends a reply. */
const glm4Turns = {
  prefix: ['[gMASK]<sop>'],
  system: ['<|system|>\n{{content}}'],
  user: ['<|user|>\n{{content}}<|assistant|>'],
  assistant: ['\n{{content}}'],
  observation: ['<|observation|>\n{{content}}<|assistant|>'],
  function: ['{{content}}'],
  tools: 'glm4',
  stopWords: ['<|user|>', '<|observation|>'],
  efficientEos: true,
} satisfies Partial<NamedTemplate>;

export const glm: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'chatglm2',
    legacy: true,
    prefix: [token('[gMASK]'), token('sop')],
    user: ['[Round {{idx}}]\n\n问：{{content}}\n\n答：'],
    efficientEos: true,
  }),
  defineTemplate({
    name: 'chatglm3',
    prefix: [token('[gMASK]'), token('sop')],
    system: [token('<|system|>'), '\n', '{{content}}'],
    user: [token('<|user|>'), '\n', '{{content}}', token('<|assistant|>')],
    assistant: ['\n', '{{content}}'],
    observation: [token('<|observation|>'), '\n', '{{content}}', token('<|assistant|>')],
    function: ['{{content}}'],
    tools: 'glm4',
    stopWords: ['<|user|>', '<|observation|>'],
    efficientEos: true,
  }),
  defineTemplate({
    name: 'glm4',
    ...glm4Turns,
  }),
  defineTemplate({
    name: 'glm4_moe',
    ...glm4Turns,
    tools: 'glm4_moe',
    thinking: 'both-words',
  }),
  defineTemplate({
    name: 'glm4_7',
    ...glm4Turns,
    tools: 'glm4_moe',
    thinking: 'closing-word',
    thoughtWords: ['<think>', '</think>'],
  }),
  defineTemplate({
    name: 'glm4_5v',
    ...glm4Turns,
    tools: 'glm4_moe',
    stopWords: ['<|user|>', '<|observation|>', '</answer>'],
    thinking: 'both-words',
    media: 'glm4v',
  }),
  defineTemplate({
    name: 'glm4v',
    ...glm4Turns,
    stopWords: ['<|user|>', '<|observation|>', '</answer>'],
    thinking: 'both-words',
    media: 'glm4v',
  }),
  defineTemplate({
    name: 'glm_ocr',
    ...glm4Turns,
    media: 'glm4v',
  }),
  defineTemplate({
    name: 'glmz1',
    ...glm4Turns,
    thinking: 'both-words',
  }),
  defineTemplate({
    name: 'codegeex2',
    legacy: true,
    prefix: [token('[gMASK]'), token('sop')],
  }),
  defineTemplate({
    name: 'codegeex4',
    legacy: true,
    prefix: ['[gMASK]<sop>'],
    system: ['<|system|>\n{{content}}'],
    user: ['<|user|>\n{{content}}<|assistant|>\n'],
    observation: ['<|observation|>\n{{content}}<|assistant|>\n'],
    tools: 'glm4',
    defaultSystem:
      '你是一位智能编程助手，你叫CodeGeeX。你会为用户回答关于编程、代码、计算机方面的任何问题，并提供格式规范、可以执行、准确安全的代码，并在必要时提供详细的解释。',
    stopWords: ['<|user|>', '<|observation|>'],
    efficientEos: true,
  }),
  defineTemplate({
    name: 'aeva',
    ...glm4Turns,
    tools: 'glm4_moe',
    defaultSystem:
      'You are an AI assistant named Aeva created by Zongzhi Lou. Your answer should be ' +
      'friendly, unbiased, faithful, informative and detailed.',
    thinking: 'closing-word',
    thoughtWords: ['<think>', '</think>'],
  }),
];
