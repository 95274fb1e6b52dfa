/** @file What the figures of a set suggest, in plain words. Nothing is said that changes nothing. */
import { formatCount } from '../core/units.ts';
import { below } from './histogram.ts';
import { quantile, type Stats } from './stats.ts';
import type { Work } from './stats-work.ts';

export type Advised = {
  readonly stats: Stats;
  readonly work: Work;
  /** Ascending, of the documents before they were cut. */
  readonly lengths: Int32Array;
  /** `cutoff_len`; of it so many tokens stay free (one where rows are packed, as in LLaMA-Factory). */
  readonly cutoff: number;
  readonly free: number;
  /** Whether `cutoff_len` bounds rows (and is not the size of blocks that texts are cut into). */
  readonly bounds: boolean;
};

/** A `cutoff_len` that a person would type: the next multiple of 64. */
const roundUp = (length: number): number => Math.max(64, Math.ceil(length / 64) * 64);

const number = formatCount;
const share = (part: number, of: number): string => {
  const percent = (100 * part) / of;
  return `${percent >= 10 || percent === 0 ? Math.round(percent) : percent.toPrecision(2)} %`;
};

export type CutoffChoice = {
  readonly cutoff_len: number;
  /** Documents that it would leave whole. */
  readonly whole: number;
};

/** What larger values of `cutoff_len` would keep: enough for 90 %, 99 % and all of the documents. */
export function cutoffChoices({
  lengths,
  cutoff,
  free,
}: Pick<Advised, 'lengths' | 'cutoff' | 'free'>): CutoffChoice[] {
  const wanted = [0.9, 0.99, 1].map((each) => roundUp(quantile(lengths, each) + free));
  return [...new Set(wanted)]
    .filter((value) => value > cutoff)
    .map((value) => ({ cutoff_len: value, whole: below(lengths, value - free + 1) }));
}

export function advise(given: Advised): string[] {
  return [
    cutoffAdvice,
    replyAdvice,
    duplicateAdvice,
    learnedAdvice,
    stepAdvice,
    packAdvice,
  ].flatMap((rule) => rule(given) ?? []);
}

type Rule = (given: Advised) => string | undefined;

const cutoffAdvice: Rule = (given) => {
  const { stats, cutoff, bounds, free } = given;
  if (!bounds) return undefined;
  const { documents, lengths: spread } = stats;
  if (stats.cut.all.documents === 0) {
    const enough = roundUp(spread.max + free);
    if (enough * 2 > cutoff) return undefined;
    return `\`cutoff_len: ${cutoff}\` is longer than every row (the longest has ${number(spread.max)} tokens): ${enough} would do the same, and says how long rows are.`;
  }
  const [first, ...more] = cutoffChoices(given);
  if (!first) return undefined;
  const part = (whole: number): string =>
    whole === documents ? 'every row' : share(whole, documents);
  const rest = more.map(({ cutoff_len, whole }) => `, ${cutoff_len} ${part(whole)}`).join('');
  const now = share(documents - stats.cut.all.documents, documents);
  return `\`cutoff_len: ${first.cutoff_len}\` would leave ${part(first.whole)} whole${rest}; now it is ${now}.`;
};

const replyAdvice: Rule = ({ stats, bounds }) => {
  const { reply } = stats.cut;
  if (!bounds || stats.learned === 0 || reply.documents === 0) return undefined;
  return `${number(reply.documents)} ${reply.documents === 1 ? 'reply loses its end' : 'replies lose their ends'}, stop token and all: from such a row a model learns to break off in the middle, or not to stop. \`overlong: drop\` leaves such rows out.`;
};

const duplicateAdvice: Rule = ({ stats }) => {
  const { duplicates, documents } = stats;
  if (duplicates === 0) return undefined;
  return `${number(duplicates)} of ${number(documents)} rows are the same as an earlier one, token for token: each counts twice or more, and a held-back copy makes the evaluation too good. \`deduplicate: true\` leaves exact copies out.`;
};

const learnedAdvice: Rule = ({ stats }) => {
  const { learned, tokens } = stats;
  if (learned === 0 || learned / tokens >= 0.05) return undefined;
  return `Only ${share(learned, tokens)} of the tokens are learned; the rest is read each time. If prompts repeat long instructions, shorten them.`;
};

const stepAdvice: Rule = ({ work }) => {
  if (work.steps >= 20) return undefined;
  return `The whole training is ${work.steps} ${work.steps === 1 ? 'step' : 'steps'}: fewer rows a step (now ${work.rows_per_step}) or more epochs give the model more of them.`;
};

const packAdvice: Rule = ({ work }) => {
  const { pack_fill: fill } = work;
  if (fill === null || fill >= 0.75) return undefined;
  return `Packs are ${share(fill, 1)} full: many rows are longer than half of \`cutoff_len\`, so few share one.`;
};
