/** @file The training methods, by `stage`. */
import type { Method } from './method.ts';
import { pt } from './pt.ts';
import { sft } from './sft.ts';

export const methods: Readonly<Record<string, Method>> = { pt, sft };
