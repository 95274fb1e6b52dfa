/**
 * @file A reply that is tagged as wanted or not to ids and labels (`stage: kto`), and the pair that estimates
 * the KL term: the same prompt with the reply of another row (Ethayarajh et al. 2024, arXiv:2402.01306).
 */
import { concat } from './chat-template.ts';
import { checkContent, checkLearned, type EncodeOptions } from './encode-example.ts';
import { noTag } from './errors.ts';
import type { Example, Message } from './example.ts';
import { countTargets, ignored, inferLengths } from './labels.ts';
import { oneTurn, type Prompt } from './one-turn.ts';
import type { Document } from './row-batch.ts';
import type { Warning } from './warning.ts';

/** `other` is the row whose reply makes the KL pair; both have one. */
export function encodeTagged(
  example: Example,
  other: Example,
  options: EncodeOptions,
  warn: (warning: Warning) => void,
): Document | undefined {
  const { place } = example;
  if (example.desirable === undefined) {
    if (options.allowUnsupervised) return undefined;
    throw noTag(place);
  }
  checkContent(example, options, warn);
  const reply = replyOf(example);
  const own = cutPair(example, reply, options);
  const kl = cutPair(example, replyOf(other), options);
  const targets = countTargets(own.labels);
  checkLearned({ targets, truncated: own.truncated, place }, options, warn);
  return {
    columns: {
      input_ids: own.ids,
      labels: own.labels,
      kl_input_ids: kl.ids,
      kl_labels: kl.labels,
      kto_tag: Int32Array.of(isWanted(example, reply, options, warn) ? 1 : 0),
    },
    targets,
    whole: own.ids.length + own.truncated,
    truncated: own.truncated,
    truncatedReply: own.truncatedReply,
    place,
  };
}

const replyOf = ({ messages }: Example): Message =>
  messages.at(-1) ?? { role: 'assistant', content: '' };

/** With a named template, as in LLaMA-Factory: there the first of two replies that has words decides. */
function isWanted(
  { desirable, place }: Example,
  { content }: Message,
  { template }: EncodeOptions,
  warn: (warning: Warning) => void,
): boolean {
  if (!desirable || content !== '' || template.name === 'model') return desirable ?? false;
  warn({
    code: 'data/empty-wanted',
    message: 'the reply is wanted and empty: it counts as not wanted, as in LLaMA-Factory',
    help: 'fill the reply or remove the row; the model’s own template (`template` unset) keeps the tag',
    place,
  });
  return false;
}

function cutPair(example: Example, reply: Message, { template, cutoff }: EncodeOptions) {
  const asked: Prompt = { ...example, messages: example.messages.slice(0, -1) };
  const turn = oneTurn(template, asked, reply);
  const kept = inferLengths(turn.prompt.length, turn.reply.length, cutoff);
  const ids = concat([turn.prompt.subarray(0, kept.source), turn.reply.subarray(0, kept.target)]);
  const labels = new Int32Array(ids.length).fill(ignored);
  labels.set(turn.labels.subarray(0, kept.target), kept.source);
  const truncatedReply = turn.reply.length - kept.target;
  const truncated = turn.prompt.length - kept.source + truncatedReply;
  return { ids, labels, truncated, truncatedReply };
}
