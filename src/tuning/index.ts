/** @file The ways to tune, by `finetuning_type`. */
import { full } from './full.ts';
import { lora } from './lora.ts';
import { oft } from './oft.ts';
import type { Tuning } from './tuning.ts';

export const tunings: Readonly<Record<string, Tuning>> = { full, lora, oft };
