/** @file Sentences that come again and again: within one reply, and at the ends of many. */
import type { Place } from '../../../core/errors.ts';
import { defineCheck } from '../check.ts';
import { hash64 } from '../hash-table.ts';

/** So often in a row is a loop. */
const loopTimes = 5;

const longestPeriod = 12;
/** One character that stands thirty times in a row. */
const longestRun = 30;
/** Hashes and ends of a text's words: one array for all texts, since most have no loop. */
let hashes = new Int32Array(1 << 12);
let ends = new Int32Array(1 << 12);

/** Of a word's hash, the number of the last word that had it, counted over all texts. */
const lastSeen = new Int32Array(1 << 12);
let wordsSeen = longestPeriod;

/** Spaces and control characters are below 33, and those two stand between words as well. */
const isWordEnd = (code: number): boolean => code <= 32 || code === 0xa0 || code === 0x3000;

/**
 * Fills both arrays; returns the count of words, or 0 where no stretch of words each stood within the last few: then
 * there is no loop, and nothing more need be done. Below 0, a letter stands thirty times in a row.
 */
function hashWords(text: string): number {
  const { length } = text;
  if (wordsSeen + length > 0x7fffffff) {
    lastSeen.fill(0);
    wordsSeen = longestPeriod;
  }
  let count = 0;
  let stretch = 0;
  let suspect = false;
  for (let i = 0; i < length; i++) {
    const from = i;
    let hash = 0;
    for (; i < length; i++) {
      const code = text.charCodeAt(i);
      if (isWordEnd(code)) break;
      hash = Math.imul(hash, 31) + code;
    }
    if (i === from) continue;
    if (i - from >= longestRun && hasRun(text, from, i)) return -1;
    if (count === hashes.length) grow();
    hashes[count] = hash;
    ends[count++] = i;
    const slot = (hash ^ (hash >>> 12)) & (lastSeen.length - 1);
    stretch = ++wordsSeen - lastSeen[slot] <= longestPeriod ? stretch + 1 : 0;
    lastSeen[slot] = wordsSeen;
    if (stretch >= loopTimes - 1) suspect = true;
  }
  return suspect ? count : 0;
}

function grow(): void {
  const [before, beforeEnds] = [hashes, ends];
  hashes = new Int32Array(2 * before.length);
  ends = new Int32Array(2 * before.length);
  hashes.set(before);
  ends.set(beforeEnds);
}

/** Whether one letter, or any character that is not ASCII, stands `longestRun` times in a row. */
function hasRun(text: string, from: number, to: number): boolean {
  for (let i = from + 1, run = 1; i < to; i++) {
    const code = text.charCodeAt(i);
    run = code === text.charCodeAt(i - 1) ? run + 1 : 1;
    const isLetter = code > 127 || ((code | 32) > 96 && (code | 32) < 123);
    if (isLetter && run >= longestRun) return true;
  }
  return false;
}

/** Where words or sentences repeat without end; undefined where none do. */
export function loopIn(text: string): { readonly what: string; readonly at: number } | undefined {
  const words = hashWords(text);
  const same = words < 0 ? /(\p{L})\1{29}/u.exec(text) : null;
  if (same) return { what: same[1] ?? '', at: same.index };
  for (let period = 1; period <= longestPeriod; period++) {
    let run = 0;
    for (let i = period; i < words; i++) {
      run = hashes[i] === hashes[i - period] ? run + 1 : 0;
      if (run < period * (loopTimes - 1)) continue;
      const from = i - period < 0 ? 0 : (ends[i - period] ?? 0);
      const what = text.slice(from, ends[i]).trim().replaceAll(/\s+/g, ' ');
      if (isSaid(what, period)) return { what, at: text.indexOf(text.slice(from, ends[i]).trim()) };
      run = 0;
    }
  }
  return unspaced.test(text) ? sentenceLoop(text) : undefined;
}

const unspaced = /[\u3040-\u30ff\u4e00-\u9fff]/;

/** Of languages without spaces: sentences between their marks. */
function sentenceLoop(text: string): { readonly what: string; readonly at: number } | undefined {
  const loop = /([\u3040-\u30ff\u4e00-\u9fff]{2,12}?)\1{4,}/.exec(text);
  if (loop) return { what: loop[1] ?? '', at: loop.index };
  const parts = text.split(/[，。！？、；\n]+/).map((part) => part.trim());
  for (let i = 1, run = 0; i < parts.length; i++) {
    const part = parts[i] ?? '';
    run = part !== '' && part === parts[i - 1] ? run + 1 : 0;
    if (run >= loopTimes - 2 && part.length > 1) return { what: part, at: text.indexOf(part) };
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

/** One of them stands in all such sentences; looking for a word is faster than for a pattern. */
const spoken = ['AI', 'model', '作为', 'ChatGPT'];

export const boilerplate = defineCheck({
  code: 'data/boilerplate',
  severity: 'note',
  title: 'a reply speaks of itself as a model',
  help: 'rewrite or remove such replies where the model should have a character of its own',
  passage({ text, path, part }, found) {
    if (part !== 'reply' || !spoken.some((word) => text.includes(word))) return;
    const match =
      /\bas an? (?:AI|artificial intelligence)\b(?: language)?(?: model)?|\b(?:trained|developed|created) by OpenAI\b|\bI(?: am|'m|’m) ChatGPT\b|\bas a (?:large )?language model\b|作为(?:一个|一名)?(?:AI|人工智能)(?:语言)?(?:模型|助手)/i.exec(
        text,
      );
    if (match) found(`\`${match[0]}\` stands in the reply`, path, match.index);
  },
});

/** `text` is there from the second time on: until then it would keep the whole reply in memory. */
type Sentence = { text: string; readonly place: Place; count: number };

const longestSentence = 120;

/** Keeps what is said often, in bounded memory: what came once is forgotten when there is much of it. */
function tally() {
  const sentences = new Map<number, Sentence>();
  return {
    add(reply: string, from: number, end: number, place: Place): void {
      const to = Math.min(end, from + longestSentence);
      const [low, high] = hash64(reply, from, to);
      const key = low + (high & 0x1fffff) * 2 ** 32;
      const known = sentences.get(key);
      if (known) {
        if (known.count === 1) known.text = reply.slice(from, to);
        known.count++;
        return;
      }
      sentences.set(key, { text: '', place, count: 1 });
      if (sentences.size < 50_000) return;
      for (const [each, { count }] of sentences) if (count === 1) sentences.delete(each);
    },
    often: (least: number): Sentence[] =>
      [...sentences.values()].filter(({ count }) => count >= least),
  };
}

/** Up to the first end of a sentence or line. */
const opening = /^[^.!?。！？\n]{1,160}(?:[.!?](?=\s)|[。！？]|(?=\n))/;

/** Whether a sentence or line ends with the character. */
function isMark(code: number): boolean {
  switch (code) {
    case 0x0a:
    case 0x21:
    case 0x2e:
    case 0x3f:
    case 0x3002:
    case 0xff01:
    case 0xff1f:
      return true;
    default:
      return false;
  }
}

/** Where the last sentence begins: behind the last end but one. */
function lastSentence(text: string): number {
  let from = text.length - 1;
  while (from > 0 && isMark(text.charCodeAt(from))) from--;
  while (from > 0 && !isMark(text.charCodeAt(from - 1))) from--;
  while (isWordEnd(text.charCodeAt(from))) from++;
  return from;
}

/** A sentence that is shorter says nothing. */
const shortest = 12;

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
        if (!reply || reply.part === 'call' || reply.text.length < shortest) return;
        replies++;
        const text = reply.text.trim();
        const first = opening.exec(text)?.[0].trimEnd().length ?? 0;
        if (first === text.length) return;
        if (first >= shortest) openings.add(text, 0, first, place);
        const last = lastSentence(text);
        if (text.length - last >= shortest) closings.add(text, last, text.length, place);
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
