/**
 * @file Settings that fit into a memory: what could be given up, in the order in which one would, and for each such
 * choice the fastest way that fits.
 */
import type { Estimate } from '../estimate/estimate.ts';

/** Settings as YAML has them. */
export type Choice = Readonly<Record<string, string | number | boolean>>;

/** What the result is, by what it gives up: the first gives up nothing. */
export type Quality = { readonly settings: Choice; readonly givesUp: string };

/** In the order of preference. A choice that this version or the rest of the settings refuses is passed over. */
export const qualities: readonly Quality[] = [
  { settings: { finetuning_type: 'full' }, givesUp: 'nothing' },
  {
    settings: { finetuning_type: 'full', optim: 'adamw_8bit' },
    givesUp: 'exact state of the optimizer',
  },
  {
    settings: { finetuning_type: 'full', bf16: true, optim: 'adamw_8bit' },
    givesUp: 'exact activations and state of the optimizer',
  },
  { settings: { finetuning_type: 'lora' }, givesUp: 'all weights but an adapter stay' },
  {
    settings: { finetuning_type: 'lora', bf16: true },
    givesUp: 'an adapter; weights and activations in bfloat16',
  },
  {
    settings: { finetuning_type: 'lora', bf16: true, quantization_bit: 8 },
    givesUp: 'an adapter; frozen weights in 8 bits',
  },
  {
    settings: {
      finetuning_type: 'lora',
      bf16: true,
      quantization_bit: 4,
      double_quantization: true,
    },
    givesUp: 'an adapter; frozen weights in 4 bits',
  },
];

/** Ways to the same result: they cost time or save it. The first that fits at a size need not be the fastest. */
export const ways: readonly Choice[] = [1024, 512, 256].flatMap((tokens) =>
  (['selective', true] as const).map((checkpointing) => ({
    gradient_checkpointing: checkpointing,
    micro_batch_tokens: tokens,
  })),
);

export type Tried = {
  readonly quality: Quality;
  readonly way: Choice;
  /** Share of `cutoff_len` that rows are cut at; 1 where they are left as they are. */
  readonly cutoff: number;
  readonly estimate: Estimate;
};

export type Fit = {
  /** The fastest that fits of each quality, in the order of preference. */
  readonly fitting: readonly Tried[];
  /** Of each quality that does not fit, the way that takes least. */
  readonly tooLarge: readonly Tried[];
};

const secondsPerToken = ({ estimate }: Tried): number =>
  estimate.step.seconds / estimate.step.tokens;

/** Of each quality the fastest that fits into `memory` bytes, or what would take the least. */
export function fitInto(memory: number, tried: readonly Tried[]): Fit {
  const fitting: Tried[] = [];
  const tooLarge: Tried[] = [];
  for (const quality of qualities) {
    const own = tried.filter((each) => each.quality === quality);
    const fits = own.filter(({ estimate }) => estimate.memory.total <= memory);
    const longest = Math.max(...fits.map(({ cutoff }) => cutoff));
    const [best] = fits
      .filter(({ cutoff }) => cutoff === longest)
      .toSorted((a, b) => secondsPerToken(a) - secondsPerToken(b));
    const [least] = own.toSorted((a, b) => a.estimate.memory.total - b.estimate.memory.total);
    if (best) fitting.push(best);
    else if (least) tooLarge.push(least);
  }
  return { fitting, tooLarge };
}

/** All settings of a choice, as lines of YAML. */
export const yamlOf = (choice: Choice): string[] =>
  Object.entries(choice).map(([key, value]) => `${key}: ${value}`);
