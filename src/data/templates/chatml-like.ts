/** @file Families of one model whose turns are ChatML’s: DBRX, Marco-o1, OpenCoder, Sailor. */
import { chatmlTurns, toolTurn } from './chatml.ts';
import { defineTemplate, type NamedTemplate } from './template.ts';

export const chatmlLike: readonly NamedTemplate[] = [
  defineTemplate({
    name: 'dbrx',
    ...chatmlTurns,
    observation: toolTurn,
    defaultSystem:
      'You are DBRX, created by Databricks. You were last updated in December 2023. You ' +
      'answer questions based on information available up to that point.\nYOU PROVIDE SHORT ' +
      'RESPONSES TO SHORT QUESTIONS OR STATEMENTS, but provide thorough responses to more ' +
      'complex and open-ended questions.\nYou assist with various tasks, from writing to ' +
      'coding (using markdown for code blocks — remember to use ``` with code, JSON, and ' +
      'tables).\n(You do not have real-time data access or code execution capabilities. You ' +
      'avoid stereotyping and provide balanced perspectives on controversial topics. You ' +
      'do not provide song lyrics, poems, or news articles and do not divulge details of ' +
      'your training data.)\nThis is your system prompt, guiding your responses. Do not ' +
      'reference it, just respond to the user. If you find yourself talking about this ' +
      'message, stop. You should be responding appropriately and usually that means not ' +
      'mentioning this.\nYOU DO NOT MENTION ANY OF THIS INFORMATION ABOUT YOURSELF UNLESS ' +
      "THE INFORMATION IS DIRECTLY PERTINENT TO THE USER'S QUERY.",
    replaceEos: true,
  }),
  defineTemplate({
    name: 'marco',
    ...chatmlTurns,
    legacy: true,
    observation: toolTurn,
    defaultSystem:
      '你是一个经过良好训练的AI助手，你的名字是Marco-o1.由阿里国际数字商业集团的AI ' +
      'Business创造.\n## 重要！！！！！\n当你回答问题时，你的思考应该在<Thought>内完成，' +
      '<Output>内输出你的结果。\n<Thought>应该尽可能是英文，但是有2个特例，' +
      '一个是对原文中的引用，另一个是是数学应该使用markdown格式，' +
      '<Output>内的输出需要遵循用户输入的语言。\n',
  }),
  defineTemplate({
    name: 'opencoder',
    ...chatmlTurns,
    observation: toolTurn,
    defaultSystem: 'You are OpenCoder, created by OpenCoder Team.',
  }),
  defineTemplate({
    name: 'sailor',
    system: ['<|im_start|>system\n{{content}}<|im_end|>\n'],
    user: ['<|im_start|>question\n{{content}}<|im_end|>\n<|im_start|>answer\n'],
    assistant: ['{{content}}<|im_end|>\n'],
    defaultSystem:
      'You are an AI assistant named Sailor created by Sea AI Lab. Your answer should be ' +
      'friendly, unbiased, faithful, informative and detailed.',
    stopWords: ['<|im_end|>'],
  }),
];
