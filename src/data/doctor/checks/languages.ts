/** @file Rows in another language than the set, and replies in another than their prompt. */
import type { Place } from '../../../core/errors.ts';
import { defineCheck } from '../check.ts';
import { isOther, languageOfText } from '../language.ts';
import type { RowView } from '../view.ts';

type Languages = { readonly asked: string | undefined; readonly said: string | undefined };
/** Two checks ask of the same row. */
let last: { readonly view: RowView; readonly languages: Languages } | undefined;

/** The languages of the last prompt and of the reply, or of a text. */
function languagesOf(view: RowView): Languages {
  if (last?.view === view) return last.languages;
  const prompt = promptOf(view);
  const said =
    view.reply?.part === 'reply' ? view.reply : view.passages.find(({ part }) => part === 'text');
  const languages = {
    asked: prompt === '' ? undefined : languageOfText(prompt),
    said: said && languageOfText(said.text),
  };
  last = { view, languages };
  return languages;
}

/** The last prompt; of columns, instruction and input together. */
function promptOf({ passages, turns }: RowView): string {
  let prompt = '';
  for (const { part, text } of passages) {
    if (part !== 'prompt' || text === '') continue;
    prompt = prompt === '' || turns.length > 0 ? text : `${prompt}\n${text}`;
  }
  return prompt;
}

/** Where a Latin text's language is not clear, the other must be free of Latin words: names and terms travel. */
const isPure = (text: string): boolean =>
  !/[A-Za-z]{3}/.test(text) || !/[\u0370-\uffff]/.test(text);

/** Prompts that ask for another language, or for what has none. */
const asksForAnother =
  /translat|traduc|übersetz|翻译|译成|译为|翻譯|перевед|English|Chinese|French|Spanish|German|Italian|Russian|Japanese|Korean|Latin|英文|英语|中文|汉语|法语|法文|西班牙|德语|日语|language|语言|code|program|function|代码|程序|函数|编写|脚本|```|html|sql|python|java/i;

export const replyLanguage = defineCheck({
  code: 'data/reply-language',
  severity: 'note',
  title: 'a reply is in another language than its prompt',
  help: 'check that it is meant, as in a translation',
  row(view, found) {
    const { passages, reply } = view;
    const { asked, said } = languagesOf(view);
    if (reply?.part !== 'reply' || !isOther(asked, said)) return;
    if (reply.text.includes('```')) return;
    if (passages.some(({ part, text }) => part !== 'reply' && asksForAnother.test(text))) return;
    const unclear = asked === 'Latin' || said === 'Latin';
    if (unclear && !(isPure(promptOf(view)) && isPure(reply.text))) return;
    found(`the prompt is ${asked}, the reply ${said}`, reply.path);
  },
});

/** Of one language; so many places are kept. */
type Group = { readonly places: Place[]; count: number };
const keptPlaces = 10_000;

export const otherLanguage = defineCheck({
  code: 'data/other-language',
  severity: 'note',
  title: 'a row is in another language than most',
  help: 'check that it belongs into this set',
  set() {
    const groups = new Map<string, Group>();
    let rows = 0;
    return {
      row(view) {
        const { place } = view;
        const { asked, said } = languagesOf(view);
        // Where the two differ, that is a finding of its own.
        const language = isOther(asked, said)
          ? undefined
          : asked === 'Latin'
            ? said
            : (asked ?? said);
        if (language === undefined) return;
        rows++;
        const group = groups.get(language) ?? { places: [], count: 0 };
        groups.set(language, group);
        group.count++;
        if (group.places.length < keptPlaces) group.places.push(place);
      },
      end(found) {
        const [most] = [...groups].sort(([, a], [, b]) => b.count - a.count);
        if (!most || rows < 20) return;
        // Latin texts whose language is not clear count with any Latin language.
        const countOf = (name: string): number =>
          [...groups].reduce(
            (sum, [other, { count }]) => (isOther(other, name) ? sum : sum + count),
            0,
          );
        if (countOf(most[0]) <= 0.8 * rows) return;
        for (const [language, { places }] of groups) {
          if (!isOther(language, most[0]) || countOf(language) > 0.1 * rows) continue;
          for (const place of places)
            found(`the row is ${language}, and the set mostly ${most[0]}`, { place });
        }
      },
    };
  },
});
