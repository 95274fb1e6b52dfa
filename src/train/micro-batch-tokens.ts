/** @file How many tokens are computed at once: what `micro_batch_tokens: auto` means. */
import type { TrainSettings } from './settings.ts';

/**
 * Enough rows for products to run at full speed, few enough for little memory. A constant: how a step is cut enters the
 * last bits of its sums, so nothing that was measured may decide it.
 */
const auto = 1024;

export const microBatchTokens = ({
  micro_batch_tokens: asked,
}: Pick<TrainSettings, 'micro_batch_tokens'>): number => (asked === 'auto' ? auto : asked);
