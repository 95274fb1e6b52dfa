/** @file Sentences that come again and again: within one reply, and at the ends of many. */
import type { Place } from '../../../core/errors.ts';
import { defineCheck } from '../check.ts';

/** So often in a row is a loop. */
const loopTimes = 5;

/** Where words or sentences repeat without end; undefined where none do. */
export function loopIn(text: string): { readonly what: string; readonly at: number } | undefined {
  const words = text.match(/\S+/g) ?? [];
  for (let period = 1; period <= 12; period++) {
    let run = 0;
    for (let i = period; i < words.length; i++) {
      run = words[i] === words[i - period] ? run + 1 : 0;
      if (run < period * (loopTimes - 1)) continue;
      const what = words.slice(i - period + 1, i + 1).join(' ');
      if (isSaid(what, period)) return { what, at: text.indexOf(what) };
      run = 0;
    }
  }
  // Languages without spaces: sentences between their marks.
  if (words.length * 12 > text.length) return undefined;
  const parts = text.split(/[，。！？、；\n]+/).map((part) => part.trim());
  for (let i = loopTimes - 1, run = 0; i < parts.length; i++) {
    run = parts[i] !== '' && parts[i] === parts[i - 1] ? run + 1 : 0;
    if (run >= loopTimes - 2 && parts[i].length > 1)
      return { what: parts[i], at: text.indexOf(parts[i]) };
  }
  return undefined;
}

/** Words of letters; rules of tables, numbers and laughter are no loops of a model. */
const isSaid = (what: string, period: number): boolean => {
  if (!/\p{L}{2}/u.test(what)) return false;
  return period > 1 ? new Set(what.split(' ')).size > 1 || what.length > 12 : what.length > 3;
};

export const repetitionLoop = defineCheck({
  code: 'data/repetition-loop',
  severity: 'warning',
  title: 'a reply repeats itself without end',
  help: 'cut the reply where it begins to loop, or remove the row: it teaches to loop',
  passage({ text, path, part }, found) {
    if (part !== 'reply' || text.length < 30) return;
    const loop = loopIn(text);
    if (loop) found(`\`${shorten(loop.what)}\` comes again and again`, path, Math.max(0, loop.at));
  },
});

export const boilerplate = defineCheck({
  code: 'data/boilerplate',
  severity: 'note',
  title: 'a reply speaks of itself as a model',
  help: 'rewrite or remove such replies where the model should have a character of its own',
  passage({ text, path, part }, found) {
    if (part !== 'reply') return;
    const match =
      /\bas an? (?:AI|artificial intelligence)(?: language)? model\b|\bas a (?:large )?language model\b|作为(?:一个|一名)?(?:AI|人工智能)(?:语言)?(?:模型|助手)/i.exec(
        text,
      );
    if (match) found(`\`${match[0]}\` stands in the reply`, path, match.index);
  },
});

type Sentence = { readonly text: string; readonly place: Place; count: number };

/** Keeps what is said often, in bounded memory: what came once is forgotten when there is much of it. */
function tally() {
  const sentences = new Map<string, Sentence>();
  return {
    add(text: string, place: Place): void {
      const known = sentences.get(text);
      if (known) known.count++;
      else sentences.set(text, { text, place, count: 1 });
      if (sentences.size < 50_000) return;
      for (const [key, { count }] of sentences) if (count === 1) sentences.delete(key);
    },
    often: (least: number): Sentence[] =>
      [...sentences.values()].filter(({ count }) => count >= least),
  };
}

/** The share of replies in which one sentence is too common. */
const commonShare = 0.1;

export const repeatedSentence = defineCheck({
  code: 'data/repeated-sentence',
  severity: 'warning',
  title: 'many replies begin or end with the same sentence',
  help: 'vary or remove it: the model will say it always',
  set() {
    const [openings, closings] = [tally(), tally()];
    let replies = 0;
    return {
      row({ reply, place }) {
        if (!reply || reply.part === 'call' || reply.text.length < 12) return;
        replies++;
        const sentences = reply.text.trim().split(/(?<=[.!?。！？])\s+|\n+|(?<=[。！？])/);
        if (sentences.length < 2) return;
        const [first = '', last = ''] = [sentences[0], sentences.at(-1)];
        if (first.length >= 12) openings.add(first.slice(0, 120), place);
        if (last.length >= 12) closings.add(last.slice(0, 120), place);
      },
      end(found) {
        const least = Math.max(5, Math.ceil(replies * commonShare));
        for (const [how, each] of [
          ['begin', openings],
          ['end', closings],
        ] as const) {
          for (const { text, place, count } of each.often(least)) {
            found(`${count} of ${replies} replies ${how} with \`${shorten(text)}\``, { place });
          }
        }
      },
    };
  },
});

const shorten = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}…` : text);
