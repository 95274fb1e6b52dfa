/** @file Who is measured against whom, and what a pair of them must have in common for its figures to count. */
import type { Batches } from '../job.ts';
import { type VariantName, variantNames, variants } from '../variants.ts';
import type { EnvironmentName } from './environments.ts';

export type Format = 'f32' | 'bf16';

export type Contestant = {
  readonly title: string;
  readonly by: 'tunery' | EnvironmentName;
  /** Only contestants with the same batches and the same weights in training see the same steps. */
  readonly batches: Batches;
  readonly trains: 'lora' | 'full';
  /** Format of the base's files. */
  readonly base: Format;
  /** The most that a step's loss may differ from Tunery's in f32 on the same steps; undefined: other weights. */
  readonly tolerance: number | undefined;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
};

const ours = (name: VariantName, batches: Batches): Contestant => ({
  title: `Tunery ${name}${batches === 'packs' ? ', packs' : ''}`,
  by: 'tunery',
  batches,
  base: 'f32',
  ...variants[name],
});
const { tolerance: exact } = variants.f32;
const { tolerance: rounded } = variants.bf16;
const lora = { trains: 'lora', settings: variants.f32.settings } as const;

const peers = {
  // As it comes: f32, recomputation, rows of a batch padded to the longest.
  llamafactory: {
    title: 'LLaMA-Factory, its defaults',
    by: 'llamafactory',
    batches: 'rows',
    base: 'f32',
    tolerance: exact,
    ...lora,
  },
  'llamafactory-packs': {
    title: 'LLaMA-Factory, f32, neat_packing, no checkpointing',
    by: 'llamafactory',
    batches: 'packs',
    base: 'f32',
    tolerance: exact,
    ...lora,
    settings: { ...lora.settings, disable_gradient_checkpointing: true },
  },
  'llamafactory-packs-bf16': {
    title: 'LLaMA-Factory, bf16, neat_packing, no checkpointing',
    by: 'llamafactory',
    batches: 'packs',
    base: 'bf16',
    tolerance: rounded,
    ...lora,
    settings: { ...lora.settings, disable_gradient_checkpointing: true, bf16: true },
  },
  'loop-f32': {
    title: 'transformers and PEFT by hand, f32',
    by: 'transformers',
    batches: 'rows',
    base: 'f32',
    tolerance: exact,
    ...lora,
  },
  'loop-bf16': {
    title: 'transformers and PEFT by hand, pure bf16',
    by: 'transformers',
    batches: 'rows',
    base: 'bf16',
    tolerance: rounded,
    ...lora,
  },
  'llamafactory-full': {
    title: 'LLaMA-Factory, full fine-tuning, its defaults',
    by: 'llamafactory',
    batches: 'rows',
    base: 'f32',
    tolerance: exact,
    trains: 'full',
    settings: variants.full.settings,
  },
} as const satisfies Readonly<Record<string, Contestant>>;

/** By the name under which the command line asks for it. */
export const contestants: Readonly<Record<string, Contestant>> = {
  ...Object.fromEntries(variantNames.map((name) => [`tunery-${name}`, ours(name, 'rows')])),
  ...Object.fromEntries(
    variantNames
      .filter((name) => variants[name].trains === 'lora')
      .map((name) => [`tunery-${name}-packs`, ours(name, 'packs')]),
  ),
  ...peers,
};

/** Tunery in f32 on the same steps: whose losses the others' are compared with. */
export const referenceOf = ({ batches, trains }: Contestant): string =>
  trains === 'full' ? 'tunery-full' : batches === 'packs' ? 'tunery-f32-packs' : 'tunery-f32';
