/** @file Texts that are not there: empty prompts, replies and turns. */
import { defineCheck } from '../check.ts';
import { isBlank } from './columns.ts';

export const emptyPrompt = defineCheck({
  code: 'data/empty-prompt',
  severity: 'warning',
  title: 'a prompt is empty',
  help: 'write the prompt, or remove the row: the reply is learned as an answer to nothing',
  row(view, found) {
    if (view.turns.length > 0 || view.format === 'text' || isBlank(view)) return;
    const prompts = view.passages.filter(
      ({ path, part }) => part === 'prompt' && path.length === 1,
    );
    if (prompts.length === 0 || prompts.some(({ text }) => text.trim() !== '')) return;
    found('the prompt is empty', prompts[0].path);
  },
});

export const emptyReply = defineCheck({
  code: 'data/empty-reply',
  severity: 'error',
  title: 'a reply is empty',
  help: 'write the reply, or remove the row: it teaches nothing',
  fix: { how: 'drop', what: 'leaves the row out' },
  row({ reply, reading, turns, ...view }, found) {
    if (reading.ranking || turns.length > 0 || reply?.text !== '') return;
    if (!isBlank({ ...view, reading, reply, turns })) found('the reply is empty', reply.path);
  },
});

export const blankReply = defineCheck({
  code: 'data/blank-reply',
  severity: 'error',
  title: 'a reply is only white space',
  help: 'write the reply, or remove the row: it teaches to say nothing',
  fix: { how: 'drop', what: 'leaves the row out' },
  row(view, found) {
    if (view.turns.length > 0 || isBlank(view)) return;
    for (const { part, text, path } of view.passages) {
      if (part === 'reply' && text !== '' && text.trim() === '')
        found('the reply is only white space', path);
    }
  },
});

export const emptyTurn = defineCheck({
  code: 'data/empty-turn',
  severity: 'error',
  title: 'a turn of a conversation is empty',
  help: 'write the turn, or remove the row',
  fix: { how: 'drop', what: 'leaves the row out' },
  row({ turns }, found) {
    for (const { role, spelled, text, path } of turns) {
      if (text === undefined || text.trim() !== '' || role === 'observation') continue;
      const what = text === '' ? 'is empty' : 'is only white space';
      found(`the turn of \`${spelled ?? 'nobody'}\` ${what}`, path);
    }
  },
});

const nothing =
  /^\s*(?:None|null|NULL|nil|nan|NaN|N\/A|#N\/A|<NA>|undefined|NaT|<?no ?(?:input|output)>?)\s*$/;

export const nullText = defineCheck({
  code: 'data/null-text',
  severity: 'warning',
  title: 'a text says only that there is none',
  help: 'leave it empty, or remove the row: an export wrote a missing value as a word',
  passage({ text, path, part }, found) {
    if (text.length > 20 || part === 'call' || part === 'result' || !nothing.test(text)) return;
    found(`the whole text is \`${text.trim()}\``, path);
  },
});
