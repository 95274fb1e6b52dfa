/** @file Vectors of kind `eval_prompt`: the messages of a question with lettered answers. */
import {
  choicePrompt,
  type Language,
  letters,
  type Question,
  wordings,
} from '../../src/eval/choice-prompt.ts';
import type { JsonObject } from '../../src/files/json.ts';
import { compare, Mismatch } from './compare.ts';
import { listOf, objectOf, rowsOf, textOf, type Vector } from './vector.ts';

const isLanguage = (name: string): name is Language => Object.hasOwn(wordings, name);

const questionOf = (row: JsonObject): Question => ({
  question: textOf(row.question),
  answer: textOf(row.answer),
  ...Object.fromEntries(
    letters.flatMap((letter) => (row[letter] === undefined ? [] : [[letter, textOf(row[letter])]])),
  ),
});

export function checkEvalPrompt(vector: Vector): void {
  for (const [i, row] of rowsOf(vector).entries()) {
    const language = textOf(row.lang);
    if (!isLanguage(language))
      throw new Mismatch(`rows[${i}]: there is no wording \`${language}\``);
    const shots = listOf(row.shots).map(objectOf).map(questionOf);
    const target = questionOf(objectOf(row.target));
    const messages = choicePrompt(language, textOf(row.subject), shots, target);
    compare(`rows[${i}].messages`, row.messages, messages);
  }
}
