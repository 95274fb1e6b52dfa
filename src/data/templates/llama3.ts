/** @file Llama 3, 3.1 and 3.2. */
import { bos, defineTemplate } from './template.ts';

const header = (role: string): string => `<|start_header_id|>${role}<|end_header_id|>\n\n`;

export const llama3 = defineTemplate({
  name: 'llama3',
  prefix: [bos],
  system: [`${header('system')}{{content}}<|eot_id|>`],
  user: [`${header('user')}{{content}}<|eot_id|>${header('assistant')}`],
  assistant: ['{{content}}<|eot_id|>'],
  observation: [`${header('ipython')}{{content}}<|eot_id|>${header('assistant')}`],
  tools: 'llama3',
  stopWords: ['<|eot_id|>', '<|eom_id|>'],
  replaceEos: true,
});
