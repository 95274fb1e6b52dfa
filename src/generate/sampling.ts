/** @file How the next token is chosen from logits, in Hugging Face's order; every draw is named by seed and position. */
import { z } from 'zod';
import { hash32 } from '../core/hash.ts';
import type { TensorData } from '../kernels/kernel.ts';
import { philox } from '../kernels/philox.ts';
import { repetitionPenalty, sampleToken } from '../kernels/sample.ts';
import type { GenerateSettings } from './settings.ts';

export const Sampling = z.object({
  /** 0 takes the likeliest. */
  temperature: z.number().min(0),
  /** 0 is no limit. */
  top_k: z.int().min(0),
  top_p: z.number().min(0).max(1),
  min_p: z.number().min(0).max(1),
  repetition_penalty: z.number().positive(),
});
export type Sampling = z.infer<typeof Sampling>;

/** Always the likeliest token. */
export const greedy: Sampling = {
  temperature: 0,
  top_k: 0,
  top_p: 1,
  min_p: 0,
  repetition_penalty: 1,
};

export function samplingOf(settings: GenerateSettings): Sampling {
  const { do_sample, temperature, top_k, top_p, min_p, repetition_penalty } = settings;
  return {
    temperature: do_sample ? temperature : 0,
    ...{ top_k, top_p, min_p, repetition_penalty },
  };
}

const purpose = hash32('sample');

/** Uniform in [0, 1): what the token at `position` of a sequence is drawn with. */
export function drawAt(seed: number, position: number): number {
  const key = [seed >>> 0, purpose] as const;
  const [high, low] = philox([position, Math.floor(seed / 2 ** 32), 0, 0], key);
  return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53;
}

/** Chooses the token that follows `ids`. logits: [V], f32; a penalty changes them. */
export function chooseToken(
  logits: TensorData,
  ids: Int32Array,
  sampling: Sampling,
  seed: number,
): number {
  const { temperature, top_k, top_p, min_p, repetition_penalty } = sampling;
  if (repetition_penalty !== 1) {
    repetitionPenalty.run(logits, ids, repetition_penalty);
  }
  const random = temperature === 0 ? 0 : drawAt(seed, ids.length);
  return sampleToken.run(logits, temperature, top_k, top_p, min_p, random);
}
