/**
 * @file A session: a model that generates and scores. Chat, serving and evaluation are written against this type;
 * what it takes and gives are plain data and typed arrays, for it may live in another process.
 */
import { z } from 'zod';
import { Sampling } from './sampling.ts';

/** `z.instanceof` would ask for one kind of buffer. */
const Ids = z.custom<Int32Array>((value) => value instanceof Int32Array);

export const About = z.object({
  /** As the user named it. */
  model: z.string(),
  adapters: z.array(z.string()),
  dtype: z.enum(['f32', 'bf16']),
  /** Most tokens of prompt and reply together; null where the model has no limit. */
  context_length: z.int().nullable(),
});
export type About = z.infer<typeof About>;

export const GenerateRequest = z.object({
  /** Sequences are generated together, and none knows of the others: each draws by its own seed. */
  prompts: z.array(z.object({ ids: Ids, seed: z.int().min(0) })),
  sampling: Sampling,
  max_new_tokens: z.int().min(1),
  /** Ids at which a sequence ends. The stop id is given out, too. */
  stop_ids: z.array(z.int()),
  /** Whether each token comes with its log-probability. */
  logprobs: z.boolean().optional(),
  /** A name of `lora_modules`: that adapter takes the place of the session's own. */
  module: z.string().optional(),
});
export type GenerateRequest = z.infer<typeof GenerateRequest>;

/** One token, as soon as it is chosen. */
export const NewToken = z.object({
  sequence: z.int(),
  id: z.int(),
  /** log p under the model alone, in nats, where it was asked for: no penalty and no temperature is in it. */
  logp: z.number().optional(),
});
export type NewToken = z.infer<typeof NewToken>;

export const Generated = z.object({
  /** The new tokens, a stop id with them. */
  ids: Ids,
  /** `length`: as many as were asked for, or as the context holds. */
  reason: z.enum(['stop', 'length', 'cancelled']),
  /** Tokens of the prompt that an earlier call had read as part of its prompt. */
  reused: z.int(),
});
export type Generated = z.infer<typeof Generated>;

export const ScoreRequest = z.object({
  sequences: z.array(
    z.object({
      ids: Ids,
      /** The first token that is scored; those before it are its prompt. At least 1. */
      from: z.int().min(1),
    }),
  ),
});
export type ScoreRequest = z.infer<typeof ScoreRequest>;

export type Session = {
  readonly about: About;
  /** Tokens as they come; returns a result for each prompt. Breaking off, or the signal, ends it. */
  generate(
    request: GenerateRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<NewToken, readonly Generated[], undefined>;
  /** log p of each token from `from` on, given all before it: [length - from], f32, in nats. */
  score(request: ScoreRequest, signal?: AbortSignal): Promise<readonly Float32Array[]>;
  close(): Promise<void>;
};
