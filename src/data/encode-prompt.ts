/** @file A prompt to be answered by the model itself (`stage: ppo`), beside the reply that the data have for it. */
import { checkContent, checkLearned, type Encoder } from './encode-example.ts';
import { isReply, type Message } from './example.ts';
import { inferLengths } from './labels.ts';
import { oneTurn } from './one-turn.ts';

const silence: Message = { role: 'assistant', content: '' };

export const encodePrompt: Encoder = (example, options, warn) => {
  const { messages, place } = example;
  checkContent(example, options, warn);
  const last = messages.at(-1);
  const replies = last !== undefined && isReply(last.role);
  const asked = replies ? { ...example, messages: messages.slice(0, -1) } : example;
  const { prompt, reply } = oneTurn(options.template, asked, replies ? last : silence);
  const kept = inferLengths(prompt.length, reply.length, options.cutoff);
  const truncatedReply = reply.length - kept.target;
  const truncated = prompt.length - kept.source + truncatedReply;
  checkLearned({ targets: kept.source, truncated, place }, options, warn);
  const columns = {
    prompt_ids: prompt.slice(0, kept.source),
    reply_ids: reply.slice(0, kept.target),
  };
  const whole = prompt.length + reply.length;
  return { columns, targets: 0, whole, truncated, truncatedReply, place };
};
