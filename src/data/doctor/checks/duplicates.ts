/** @file Rows that stand twice, and prompts that do with other replies. */
import type { Place } from '../../../core/errors.ts';
import { defineCheck } from '../check.ts';
import { HashTable, hash64 } from '../hash-table.ts';
import type { RowView } from '../view.ts';

/** All that is learned from or read of a row; other columns may differ. */
const contentOf = ({ passages, value, reading: { columns } }: RowView): string => {
  const texts = passages.map(({ part, text }) => `${part}\u0000${text}`).join('\u0001');
  const others = (['tools', 'images', 'videos', 'audios', 'kto_tag'] as const).flatMap((name) => {
    const column = columns[name];
    const other = column === null ? undefined : value[column];
    return other === undefined || other === null
      ? []
      : [typeof other === 'string' ? other : JSON.stringify(other)];
  });
  return others.length === 0 ? texts : `${texts}\u0002${others.join('\u0001')}`;
};

/** Line and file of a row in one number: 2²⁶ lines of 63 files, and the rest of them as the last. */
function places() {
  const files: string[] = [];
  return {
    number({ file, line, row }: Place): number {
      let index = files.indexOf(file);
      if (index < 0) index = files.push(file) - 1;
      return Math.min(index, 62) * 2 ** 26 + Math.min(line ?? row ?? 0, 2 ** 26 - 1);
    },
    words(number: number, { file }: Place): string {
      const from = files[Math.floor(number / 2 ** 26)];
      return `line ${number % 2 ** 26}${from === file ? '' : ` of ${from}`}`;
    },
  };
}

export const duplicateRow = defineCheck({
  code: 'data/duplicate-row',
  severity: 'warning',
  title: 'a row stands twice',
  help: 'remove one: a row that stands twice is learned twice, and may lie on both sides of a split',
  fix: { how: 'drop', what: 'keeps the first' },
  across: true,
  set() {
    const seen = new HashTable();
    const at = places();
    return {
      row(view, found) {
        if (view.gaps.length > 0 || view.passages.every(({ text }) => text.trim() === '')) return;
        const [low, high] = hash64(contentOf(view));
        const before = seen.get(low, high);
        if (before === undefined) seen.set(low, high, at.number(view.place));
        else found(`the row is the same as the one at ${at.words(before, view.place)}`);
      },
    };
  },
});

export const samePrompt = defineCheck({
  code: 'data/same-prompt',
  severity: 'note',
  title: 'a prompt stands twice, with different replies',
  help: 'right where several answers are wanted; otherwise keep the better one',
  across: true,
  set() {
    const seen = new HashTable();
    const at = places();
    const replies = new HashTable();
    return {
      row({ reading, reply, asked, format, place }, found) {
        if (reading.ranking || reading.columns.kto_tag !== null || format === 'text') return;
        if (!reply || asked.trim() === '' || reply.text.trim() === '') return;
        const [low, high] = hash64(asked);
        const [code] = hash64(reply.text);
        const before = seen.get(low, high);
        if (before === undefined) {
          seen.set(low, high, at.number(place));
          replies.set(low, high, code >>> 1);
        } else if (replies.get(low, high) !== code >>> 1) {
          found(
            `the prompt is the same as the one at ${at.words(before, place)}, and the reply is another`,
            reply.path,
          );
        }
      },
    };
  },
});

export const promptIsReply = defineCheck({
  code: 'data/prompt-is-reply',
  severity: 'warning',
  title: 'a reply repeats its prompt',
  help: 'mend or remove the row: it teaches to echo',
  row({ passages, turns, reply }, found) {
    if (!reply || reply.text.trim().length < 2) return;
    const said = reply.text.trim();
    const prompts = passages.filter(({ part }) => part === 'prompt');
    const last =
      turns.length > 0 ? prompts.at(-1)?.text : prompts.map(({ text }) => text).join('\n');
    if (last?.trim() === said) found('the reply is the prompt again', reply.path);
  },
});
