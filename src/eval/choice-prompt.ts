/**
 * @file The prompt of a question with lettered answers, as MMLU, C-Eval and CMMLU ask it: worked questions
 * as turns of their own, then the question. Wording as LLaMA-Factory has it, so that scores compare.
 */
import type { Message } from '../data/example.ts';

export const letters = ['A', 'B', 'C', 'D'] as const;
export type Letter = (typeof letters)[number];

/** `answer` is the right letter; a question may have fewer than four answers. */
export type Question = { readonly question: string; readonly answer: string } & {
  readonly [Choice in Letter]?: string;
};

type Wording = {
  readonly opening: (subject: string) => string;
  readonly answer: string;
};

export const wordings = {
  en: {
    opening: (subject) =>
      `The following are multiple choice questions (with answers) about ${subject}.\n\n`,
    answer: '\nAnswer:',
  },
  zh: {
    opening: (subject) => `以下是中国关于${subject}考试的单项选择题，请选出其中的正确答案。\n\n`,
    answer: '\n答案：',
  },
} as const satisfies Readonly<Record<string, Wording>>;
export type Language = keyof typeof wordings;

/** Turns of user and assistant; the last message is the right letter, which is what is asked for. */
export function choicePrompt(
  language: Language,
  subject: string,
  shots: readonly Question[],
  target: Question,
): readonly Message[] {
  const { opening, answer } = wordings[language];
  return [...shots, target].flatMap((asked, i): Message[] => {
    const choices = letters.flatMap((letter) => {
      const text = asked[letter];
      return text === undefined ? [] : [`\n${letter}. ${text}`];
    });
    const before = i === 0 ? opening(subject) : '';
    return [
      { role: 'user', content: before + asked.question + choices.join('') + answer },
      { role: 'assistant', content: asked.answer },
    ];
  });
}
