/** @file One conversation to ids and labels, or the reason why nothing of it is learned. */
import type { Place } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import type { ChatTemplate, Omits } from './chat-template.ts';
import { mediaLater, missingColumn, noReply, tooLong, unsupervised } from './errors.ts';
import { type Example, isReply } from './example.ts';
import { countTargets, type Labeled, labelTurns, type Turn } from './labels.ts';
import type { Document } from './row-batch.ts';
import type { Warning } from './warning.ts';

export type EncodeOptions = {
  readonly template: ChatTemplate;
  readonly cutoff: number;
  readonly maskHistory: boolean;
  readonly trainOnPrompt: boolean;
  readonly allowUnsupervised: boolean;
  /** What becomes of a row that is longer than the cutoff. */
  readonly overlong: 'truncate' | 'drop' | 'error';
};

export type Encoded = { readonly turns: readonly Turn[]; readonly labeled: Labeled };

/** Undefined where the row is left out, which only `allow_unsupervised` lets happen. */
export type Encoder = (
  example: Example,
  options: EncodeOptions,
  warn: (warning: Warning) => void,
) => Document | undefined;

/** The turns of an example as the template writes them, whole, and what is fed of them. */
export function encodeTurns(example: Example, options: EncodeOptions): Encoded {
  const { template, cutoff, maskHistory, trainOnPrompt } = options;
  const turns = template.encode(example);
  const { efficientEos } = template;
  return {
    turns,
    labeled: labelTurns(turns, { cutoff, maskHistory, trainOnPrompt, efficientEos }),
  };
}

export const encodeExample: Encoder = (example, options, warn) => {
  const { place } = example;
  if (!hasReply(example, options)) return undefined;
  checkContent(example, options, warn);
  const { turns, labeled } = encodeTurns(example, options);
  const { ids, labels, truncated, kept } = labeled;
  const cut = (sum: number, { target }: Turn, i: number) => sum + target.length - kept[i].target;
  const targets = countTargets(labels);
  checkLearned({ targets, truncated, place }, options, warn);
  const columns = { input_ids: ids, labels };
  const truncatedReply = turns.reduce(cut, 0);
  const whole = ids.length + truncated;
  return { columns, targets, whole, truncated, truncatedReply, place };
};

/** Whether the row ends with a reply; without one it is an error, or left out where that is allowed. */
export function hasReply({ messages, absent, place }: Example, options: EncodeOptions): boolean {
  const last = messages.at(-1);
  if (last && isReply(last.role)) return true;
  if (options.allowUnsupervised) return false;
  if (!absent) throw noReply(place);
  const { column, found } = absent;
  throw missingColumn(place, column, found, didYouMean(column, found));
}

const namedInstead = 'name a template that writes them, as `template: qwen`, or take such rows out';

/** A template that has no place for a thing drops it without a word: here it gets its line. */
const omitted: Readonly<Record<keyof Omits, Warning>> = {
  tools: {
    code: 'data/tools-left-out',
    message: 'the tools of the row are left out: the model’s own template writes none',
    help: namedInstead,
  },
  calls: {
    code: 'data/calls-left-out',
    message:
      'the calls of the row are left out: the model’s own template writes none, and the reply is empty there',
    help: namedInstead,
  },
  thoughts: {
    code: 'data/thoughts-left-out',
    message: '`reasoning_content` is left out: the template does not write it',
    help: 'put thoughts into the reply’s text, as `<think>\\n…\\n</think>\\n\\n`',
  },
};

/** What no encoding can take, and what it takes with a loss. */
export function checkContent(
  { messages, media, tools, lost, place }: Example,
  { template }: EncodeOptions,
  warn: (warning: Warning) => void,
): void {
  for (const column of ['images', 'videos', 'audios'] as const) {
    if (media[column]) throw mediaLater(place, column);
  }
  if (lost !== undefined) {
    warn({
      code: `data/${lost}`,
      message:
        'the tool results at the end of the conversation are left out: no reply follows them',
      help: 'end the row with the assistant’s answer to learn that too',
      place,
    });
  }
  const { omits } = template;
  for (const [what, here] of [
    ['tools', tools !== ''],
    ['calls', messages.some(({ role }) => role === 'function')],
    ['thoughts', messages.some(({ thoughts }) => thoughts !== undefined)],
  ] as const) {
    if (omits[what] && here) warn({ ...omitted[what], place });
  }
  if (template.name !== 'model' && messages.some(({ words }) => words !== undefined)) {
    warn({
      code: 'data/words-beside-calls',
      message: 'the words beside a tool call are left out: a named template has no place for them',
      help: 'leave `template` unset to keep them, where the model’s own template writes them',
      place,
    });
  }
}

/** Refuses a row in which nothing is learned, and tells of one that was cut. */
export function checkLearned(
  row: { readonly targets: number; readonly truncated: number; readonly place: Place },
  { cutoff, allowUnsupervised, overlong }: EncodeOptions,
  warn: (warning: Warning) => void,
): void {
  const { targets, truncated, place } = row;
  if (truncated > 0 && overlong === 'error') throw tooLong(place, truncated, cutoff);
  // It is taken out by whoever asked for it.
  if (truncated > 0 && overlong === 'drop') return;
  if (targets === 0 && !allowUnsupervised) {
    const why = truncated > 0 ? 'its replies lie beyond `cutoff_len`' : 'its replies are empty';
    throw unsupervised(place, why, cutoff);
  }
  if (truncated === 0) return;
  warn({
    code: 'data/truncated',
    message: 'the row is longer than `cutoff_len`, and what is over was cut off',
    help: '`tunery data tokens` shows what was cut; raise `cutoff_len` to keep it',
    place,
  });
}
