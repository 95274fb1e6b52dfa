/** @file Bodies of requests, as OpenAI's API defines them: what works, and what is refused instead of being ignored. */
import { z } from 'zod';

const refused = (what: string) => `${what} is not supported yet; leave it out`;

/** A key that may stand there with a value that means nothing, and with no other. */
const only = <Schema extends z.ZodType>(schema: Schema, what: string) =>
  schema.nullish().refine((value) => value === null || value === undefined || isOff(value), {
    error: refused(what),
  });

const isOff = (value: unknown): boolean =>
  value === 0 ||
  value === false ||
  (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

const sampling = {
  model: z.string(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  max_tokens: z.int().min(1).nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(4)]).nullish(),
  seed: z.int().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  n: z.int().min(1).max(128).nullish(),
  // Not OpenAI's, and known from other servers.
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  presence_penalty: only(z.number(), '`presence_penalty`'),
  frequency_penalty: only(z.number(), '`frequency_penalty`'),
  logit_bias: only(z.record(z.string(), z.number()), '`logit_bias`'),
};

export const ChatBody = z.looseObject({
  ...sampling,
  messages: z.array(z.record(z.string(), z.json())).min(1),
  max_completion_tokens: z.int().min(1).nullish(),
  tools: z.array(z.record(z.string(), z.json())).nullish(),
  tool_choice: z
    .enum(['auto', 'none'], { error: refused('a `tool_choice` other than `auto` and `none`') })
    .nullish(),
  logprobs: only(z.boolean(), '`logprobs`'),
  response_format: z
    .looseObject({
      type: z.literal('text', { error: refused('a `response_format` other than text') }),
    })
    .nullish(),
});
export type ChatBody = z.infer<typeof ChatBody>;

export const CompletionBody = z.looseObject({
  ...sampling,
  prompt: z.union(
    [
      z.string(),
      z.array(z.string()).min(1),
      z.array(z.int()).min(1),
      z.array(z.array(z.int()).min(1)).min(1),
    ],
    { error: 'it is a text, a list of tokens, or a list of either' },
  ),
  echo: only(z.boolean(), '`echo`'),
  suffix: z.null({ error: refused('`suffix`') }).optional(),
  best_of: z.literal(1, { error: refused('`best_of` above 1') }).nullish(),
  logprobs: only(z.int(), '`logprobs`'),
});
export type CompletionBody = z.infer<typeof CompletionBody>;

export type SamplingBody = Pick<
  ChatBody,
  'temperature' | 'top_p' | 'top_k' | 'min_p' | 'repetition_penalty' | 'stop' | 'seed'
>;
