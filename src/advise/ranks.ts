/**
 * @file Which layout of a model on GPUs to take: the fastest that fits. The order is one of rules (what is sent, what is
 * computed twice, what waits for the CPU), not of measurements.
 */
import { type RankInput, type RankMemory, rankMemory, type Strategy } from '../estimate/ranks.ts';
import type { Choice } from './fit.ts';

export type Layout = {
  readonly name: string;
  readonly strategy: Strategy;
  readonly offload: boolean;
  /** Relative to the first. */
  readonly slower: number;
  /** The keys that ask for it, as YAML has them. */
  readonly settings: Choice;
};

const zero = (stage: number, more = ''): string => `{zero_optimization: {stage: ${stage}${more}}}`;
const buckets = ', reduce_bucket_size: auto';
const thirdBuckets = `${buckets}, stage3_prefetch_bucket_size: auto, stage3_param_persistence_threshold: auto`;
const toCpu = (what: string): string => `, offload_${what}: {device: cpu}`;

export const layouts: readonly Layout[] = [
  { name: 'DDP (ZeRO 0)', strategy: 'ddp', offload: false, slower: 1, settings: {} },
  {
    ...{ name: 'ZeRO 1', strategy: 'zero1', offload: false, slower: 1.02 },
    settings: { deepspeed: zero(1, buckets) },
  },
  {
    ...{ name: 'ZeRO 2', strategy: 'zero2', offload: false, slower: 1.03 },
    settings: { deepspeed: zero(2, buckets) },
  },
  {
    ...{ name: 'FSDP2', strategy: 'fsdp', offload: false, slower: 1.1 },
    settings: { fsdp: 'full_shard' },
  },
  {
    ...{ name: 'ZeRO 3', strategy: 'zero3', offload: false, slower: 1.2 },
    settings: { deepspeed: zero(3, thirdBuckets) },
  },
  {
    ...{ name: 'ZeRO 2, offload', strategy: 'zero2', offload: true, slower: 2 },
    settings: { deepspeed: zero(2, buckets + toCpu('optimizer')) },
  },
  {
    ...{ name: 'FSDP2, offload', strategy: 'fsdp', offload: true, slower: 3 },
    settings: { fsdp: 'full_shard offload' },
  },
  {
    ...{ name: 'ZeRO 3, offload', strategy: 'zero3', offload: true, slower: 3.5 },
    settings: { deepspeed: zero(3, thirdBuckets + toCpu('optimizer') + toCpu('param')) },
  },
];

/** On one GPU nothing is shared. */
export const alone: Layout = {
  ...{ name: 'one GPU', strategy: 'none', offload: false, slower: 1, settings: {} },
};

/** How a step is computed: what costs little first. */
export type Way = { readonly settings: Choice; readonly slower: number };
export const ways: readonly Way[] = [
  { settings: {}, slower: 1 },
  { settings: { micro_batch_tokens: 4096 }, slower: 1.02 },
  { settings: { micro_batch_tokens: 2048 }, slower: 1.06 },
  { settings: { gradient_checkpointing: true }, slower: 1.33 },
  { settings: { gradient_checkpointing: true, micro_batch_tokens: 4096 }, slower: 1.36 },
  { settings: { gradient_checkpointing: true, micro_batch_tokens: 2048 }, slower: 1.41 },
  { settings: { gradient_checkpointing: true, micro_batch_tokens: 1024 }, slower: 1.5 },
];

export type Placed = { readonly layout: Layout; readonly way: Way; readonly memory: RankMemory };

/** `inputOf` is undefined where a way changes nothing, or the settings refuse it. */
export function placeAll(
  inputOf: (layout: Layout, way: Way) => RankInput | undefined,
  tried: readonly Layout[],
): readonly Placed[] {
  return tried.flatMap((layout) =>
    ways.flatMap((way) => {
      const input = inputOf(layout, way);
      return input === undefined ? [] : [{ layout, way, memory: rankMemory(input) }];
    }),
  );
}

/** The fastest of those whose peak is within `memory`. */
export const fastest = (placed: readonly Placed[], memory: number): Placed | undefined =>
  placed
    .filter((each) => each.memory.peak <= memory)
    .toSorted((a, b) => a.layout.slower * a.way.slower - b.layout.slower * b.way.slower)[0];
