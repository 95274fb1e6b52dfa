/** @file Rows that stand twice, and prompts that do with other replies. */
import type { Place } from '../../../core/errors.ts';
import { defineCheck } from '../check.ts';
import { HashTable, hash64 } from '../hash-table.ts';
import type { RowView } from '../view.ts';

type Hash = readonly [low: number, high: number];
type Hashes = { readonly content: Hash; readonly asked: Hash; readonly reply: Hash };

const mix = ([low, high]: Hash, [a, b]: Hash): Hash => [
  (Math.imul(low ^ a, 0x01000193) + 0x9e37) >>> 0,
  (Math.imul(high + b, 0x85ebca6b) ^ (high >>> 15)) >>> 0,
];
const none: Hash = [0x811c9dc5, 0x9e3779b9];

let last: { readonly view: RowView; readonly hashes: Hashes } | undefined;

/** Of all that is learned from or read of a row (other columns may differ), of its prompt, and of its reply. */
function hashesOf(view: RowView): Hashes {
  if (last?.view === view) return last.hashes;
  const { passages, value, reply, reading } = view;
  let [content, asked, said] = [none, none, none];
  for (const passage of passages) {
    const hash = hash64(passage.text);
    content = mix(mix(content, [passage.part.charCodeAt(0), passage.part.length]), hash);
    if (passage === reply) said = hash;
    else if (passage.part !== 'thought') asked = mix(asked, hash);
  }
  for (const name of ['tools', 'images', 'videos', 'audios', 'kto_tag'] as const) {
    const column = reading.columns[name];
    const other = column === null ? undefined : value[column];
    if (other === undefined || other === null) continue;
    content = mix(content, hash64(typeof other === 'string' ? other : JSON.stringify(other)));
  }
  if (view.calls.length > 0) content = mix(content, hash64(JSON.stringify(view.calls)));
  const hashes = { content, asked, reply: said };
  last = { view, hashes };
  return hashes;
}

/** Line and file of a row in one number: 2²⁶ lines of 63 files, and the rest of them as the last. */
function places() {
  const files: { readonly name: string; readonly hasLines: boolean }[] = [];
  return {
    number({ file, line, row }: Place): number {
      let index = files.findIndex(({ name }) => name === file);
      if (index < 0) index = files.push({ name: file, hasLines: line !== undefined }) - 1;
      return Math.min(index, 62) * 2 ** 26 + Math.min(line ?? row ?? 0, 2 ** 26 - 1);
    },
    words(number: number, { file }: Place): string {
      const from = files[Math.floor(number / 2 ** 26)];
      const what = from?.hasLines === false ? 'row' : 'line';
      return `${what} ${number % 2 ** 26}${from?.name === file ? '' : ` of ${from?.name}`}`;
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
        const [low, high] = hashesOf(view).content;
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
      row(view, found) {
        const { reading, reply, passages, format, place } = view;
        if (reading.ranking || reading.columns.kto_tag !== null || format === 'text') return;
        if (!reply || reply.text.trim() === '') return;
        if (!passages.some(({ part, text }) => part === 'prompt' && text.trim() !== '')) return;
        const hashes = hashesOf(view);
        const [low, high] = hashes.asked;
        const [code] = hashes.reply;
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
