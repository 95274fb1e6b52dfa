/** @file A prompt with a chosen and a rejected reply to ids and labels (`stage: rm` and `dpo`). */
import { concat } from './chat-template.ts';
import { checkContent, checkLearned, type Encoder } from './encode-example.ts';
import { noPair } from './errors.ts';
import { ignored, inferLengths } from './labels.ts';
import { countLearned, type OneTurn, oneTurn } from './one-turn.ts';

export const encodePair: Encoder = (example, options, warn) => {
  const { chosen, rejected, place } = example;
  if (!chosen || !rejected) {
    if (options.allowUnsupervised) return undefined;
    throw noPair(place);
  }
  checkContent(example, options, warn);
  const { template, cutoff } = options;
  const a = oneTurn(template, example, chosen);
  const b = oneTurn(template, example, rejected);
  // As LLaMA-Factory, a named template has the prompt of the chosen reply before both.
  const shared = template.name === 'model' ? commonLength(a.prompt, b.prompt) : a.prompt.length;
  const [better, worse] = [moved(a, shared), template.name === 'model' ? moved(b, shared) : b];
  const prompt = better.prompt;
  const longest = Math.max(better.reply.length, worse.reply.length);
  const kept = inferLengths(prompt.length, longest, cutoff);
  const columns = {
    prompt_ids: prompt.slice(0, kept.source),
    chosen_ids: better.reply.slice(0, kept.target),
    chosen_labels: better.labels.slice(0, kept.target),
    rejected_ids: worse.reply.slice(0, kept.target),
    rejected_labels: worse.labels.slice(0, kept.target),
  };
  const { prompt_ids, chosen_ids, rejected_ids } = columns;
  const fed = prompt_ids.length + chosen_ids.length + rejected_ids.length;
  const truncated = prompt.length + better.reply.length + worse.reply.length - fed;
  const targets = countLearned(columns.chosen_labels) + countLearned(columns.rejected_labels);
  checkLearned({ targets, truncated, place }, options, warn);
  const truncatedReply = truncated - (prompt.length - prompt_ids.length);
  const whole = prompt.length + longest;
  return { columns, targets, whole, truncated, truncatedReply, place };
};

function commonLength(a: Int32Array, b: Int32Array): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  return at;
}

/** The prompt ends after `length` tokens; the others go before the reply, not learned. */
function moved({ prompt, reply, labels }: OneTurn, length: number): OneTurn {
  if (length === prompt.length) return { prompt, reply, labels };
  const rest = prompt.subarray(length);
  return {
    prompt: prompt.subarray(0, length),
    reply: concat([rest, reply]),
    labels: concat([new Int32Array(rest.length).fill(ignored), labels]),
  };
}
