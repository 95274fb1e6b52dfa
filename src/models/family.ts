/** @file What a model family is: a config as the checkpoint has it, and a model built from it. */
import type { z } from 'zod';
import type { CausalLM } from '../engine/nn/index.ts';

export type Family<Config extends z.ZodType = z.ZodType> = {
  /** `model_type` of config.json. */
  readonly modelType: string;
  /** Value of `architectures` in a config.json that we write. */
  readonly architecture: string;
  readonly config: Config;
  readonly build: (config: z.output<Config>) => CausalLM;
  /** Linear layers that `lora_target: all` adapts, by short name. */
  readonly adapterTargets: readonly string[];
  /** A config of a few thousand weights: the shared suite and `random:` models use it. */
  readonly tiny: z.input<Config>;
};

export const defineFamily = <Config extends z.ZodType>(family: Family<Config>): Family<Config> =>
  family;
