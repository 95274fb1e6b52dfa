/** @file Replies that stop in the middle, and rows whose length is out of all proportion. */
import type { Place } from '../../../core/errors.ts';
import { defineCheck } from '../check.ts';

/** A word that no sentence ends with. */
const dangling =
  /(?:,|\b(?:and|or|the|a|an|of|to|in|with|for|that|which|is|are|by|as|from|但|和|的|是|在|与))$/i;

export const cutReply = defineCheck({
  code: 'data/cut-reply',
  severity: 'note',
  title: 'a reply ends in the middle of a sentence',
  help: 'finish it or remove the row; replies that were cut off teach to stop anywhere',
  row({ reply, turns }, found) {
    if (reply?.part !== 'reply' || turns.at(-1)?.role === 'function') return;
    const text = reply.text.trimEnd();
    if (text.length < 24 || text.includes('```')) return;
    const last = text.slice(text.lastIndexOf('\n') + 1);
    if (!/[\p{L},]$/u.test(last)) return;
    const prose = last.trim().split(/\s+/).length >= 6 && /[.!?。！？]\s/.test(text);
    const listed = /^\s*(?:[-*•]|\d+[.)]|#)/.test(last);
    if (!listed && (dangling.test(last) || (prose && text.length >= 400))) {
      found(`the reply ends with \`${last.slice(-24).trim()}\``, reply.path, text.length);
    }
  },
});

type Sized = { readonly place: Place; readonly length: number };
const kept = 10;

/** Longest and shortest rows, and a histogram of lengths in powers of √2: all that is needed to tell what stands out. */
export const outlier = defineCheck({
  code: 'data/outlier',
  severity: 'note',
  title: 'a row is far longer or shorter than the others',
  help: 'look at it: texts may have run together, or been lost',
  set() {
    const histogram = new Float64Array(128);
    let rows = 0;
    let longest: Sized[] = [];
    const bucketOf = (length: number): number =>
      Math.min(127, Math.floor(2 * Math.log2(length + 1)));
    const quantile = (share: number): number => {
      let sum = 0;
      for (let i = 0; i < histogram.length; i++) {
        sum += histogram[i];
        if (sum >= share * rows) return 2 ** ((i + 1) / 2);
      }
      return Number.POSITIVE_INFINITY;
    };
    return {
      row({ passages, place }) {
        const length = passages.reduce((sum, { text }) => sum + text.length, 0);
        rows++;
        histogram[bucketOf(length)]++;
        if (longest.length === kept && length <= longest[kept - 1].length) return;
        longest = [...longest, { place, length }]
          .sort((a, b) => b.length - a.length)
          .slice(0, kept);
      },
      end(found) {
        if (rows < 20) return;
        const usual = quantile(0.9);
        for (const { place, length } of longest) {
          if (length < 8 * usual || length < 2000) continue;
          found(
            `the row has ${length} characters, and nine of ten have fewer than ${Math.round(usual)}`,
            { place },
          );
        }
      },
    };
  },
});

export const shortReply = defineCheck({
  code: 'data/short-reply',
  severity: 'note',
  title: 'a reply holds no letter or digit',
  help: 'look at it: its text may have been lost',
  row({ reply, format }, found) {
    if (!reply || format === 'text' || reply.part !== 'reply' || reply.text.trim() === '') return;
    if (
      !/[\p{L}\p{N}\p{Extended_Pictographic}]/u.test(reply.text) &&
      reply.text.trim().length < 8
    ) {
      found(`the reply is \`${reply.text.trim()}\``, reply.path);
    }
  },
});
