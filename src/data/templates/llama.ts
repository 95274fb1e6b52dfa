/** @file Llama 2, 3 and 4, and Skywork o1, which is Llama 3.1 with a system text. */
import { bos, defineTemplate, type NamedTemplate } from './template.ts';

const header = (role: string): string => `<|start_header_id|>${role}<|end_header_id|>\n\n`;
const header4 = (role: string): string => `<|header_start|>${role}<|header_end|>\n\n`;

export const llama3Turns = {
  prefix: [bos],
  system: [`${header('system')}{{content}}<|eot_id|>`],
  user: [`${header('user')}{{content}}<|eot_id|>${header('assistant')}`],
  assistant: ['{{content}}<|eot_id|>'],
  observation: [`${header('ipython')}{{content}}<|eot_id|>${header('assistant')}`],
  tools: 'llama3',
  stopWords: ['<|eot_id|>', '<|eom_id|>'],
} satisfies Partial<NamedTemplate>;

export const llama: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'llama2',
    system: ['<<SYS>>\n{{content}}\n<</SYS>>\n\n'],
    systemPlace: 'user',
    user: [bos, '[INST] {{content}} [/INST]'],
  }),
  defineTemplate({
    name: 'llama2_zh',
    system: ['<<SYS>>\n{{content}}\n<</SYS>>\n\n'],
    systemPlace: 'user',
    user: [bos, '[INST] {{content}} [/INST]'],
    defaultSystem: 'You are a helpful assistant. 你是一个乐于助人的助手。',
  }),
  defineTemplate({
    name: 'llama3',
    ...llama3Turns,
    replaceEos: true,
  }),
  defineTemplate({
    name: 'llama4',
    prefix: [bos],
    system: [`${header4('system')}{{content}}<|eot|>`],
    user: [`${header4('user')}{{content}}<|eot|>${header4('assistant')}`],
    assistant: ['{{content}}<|eot|>'],
    observation: [`${header4('ipython')}{{content}}<|eot|>${header4('assistant')}`],
    tools: 'llama3',
    stopWords: ['<|eot|>', '<|eom|>'],
    replaceEos: true,
    media: 'llama4',
  }),
  defineTemplate({
    name: 'mllama',
    ...llama3Turns,
    replaceEos: true,
    media: 'mllama',
  }),
  defineTemplate({
    name: 'skywork_o1',
    ...llama3Turns,
    legacy: true,
    defaultSystem:
      'You are Skywork-o1, a thinking model developed by Skywork AI, specializing in ' +
      'solving complex problems involving mathematics, coding, and logical reasoning ' +
      "through deep thought. When faced with a user's request, you first engage in a " +
      'lengthy and in-depth thinking process to explore possible solutions to the problem. ' +
      'After completing your thoughts, you then provide a detailed explanation of the ' +
      'solution process in your response.',
  }),
];
