/** @file One example to ids and labels, or the reason why nothing of it is learned. */
import { didYouMean } from '../core/suggest.ts';
import type { ChatTemplate } from './chat-template.ts';
import { mediaLater, missingColumn, noReply, unsupervised } from './errors.ts';
import { type Example, isReply } from './example.ts';
import { countTargets, type Labeled, labelTurns, type Turn } from './labels.ts';
import type { Document } from './prepared-writer.ts';
import type { Warning } from './warning.ts';

export type EncodeOptions = {
  readonly template: ChatTemplate;
  readonly cutoff: number;
  readonly maskHistory: boolean;
  readonly trainOnPrompt: boolean;
  readonly allowUnsupervised: boolean;
};

export type Encoded = { readonly turns: readonly Turn[]; readonly labeled: Labeled };

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

/** Undefined where the row is left out, which only `allow_unsupervised` lets happen. */
export function encodeExample(
  example: Example,
  options: EncodeOptions,
  warn: (warning: Warning) => void,
): Document | undefined {
  const { messages, media, absent, place } = example;
  for (const column of ['images', 'videos', 'audios'] as const) {
    if (media[column]) throw mediaLater(place, column);
  }
  const last = messages.at(-1);
  if (!last || !isReply(last.role)) {
    if (options.allowUnsupervised) return undefined;
    if (!absent) throw noReply(place);
    const { column, found } = absent;
    throw missingColumn(place, column, found, didYouMean(column, found));
  }
  if (options.template.name !== 'model' && messages.some(({ words }) => words !== undefined)) {
    warn({
      code: 'data/words-beside-calls',
      message: 'the words beside a tool call are left out: a named template has no place for them',
      help: 'leave `template` unset to keep them, where the model’s own template writes them',
      place,
    });
  }
  const { labeled } = encodeTurns(example, options);
  const { ids, labels, truncated } = labeled;
  if (countTargets(labels) === 0 && !options.allowUnsupervised) {
    const why = truncated > 0 ? 'its replies lie beyond `cutoff_len`' : 'its replies are empty';
    throw unsupervised(place, why, options.cutoff);
  }
  if (truncated > 0) {
    warn({
      code: 'data/truncated',
      message: 'the row is longer than `cutoff_len`, and what is over was cut off',
      help: '`tunery data tokens` shows what was cut; raise `cutoff_len` to keep it',
      place,
    });
  }
  return { ids, labels, truncated, place };
}
