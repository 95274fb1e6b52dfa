/** @file The ways in which Tunery is measured on a training job: what each adds to the job's settings. */

type Settings = Readonly<Record<string, string | number | boolean>>;

export type Variant = {
  readonly settings: Settings;
  readonly trains: 'lora' | 'full';
  /**
   * The most that a step's loss may differ from f32's on the same rows; undefined where the weights themselves are
   * others. Steps of a learning rate of 1e-4 amplify the differences that rounding makes.
   */
  readonly tolerance: number | undefined;
};

const lora: Settings = {
  finetuning_type: 'lora',
  lora_rank: 8,
  lora_target: 'all',
  learning_rate: 1e-4,
};
const full: Settings = { finetuning_type: 'full', learning_rate: 2e-5 };

export const variants = {
  f32: { settings: lora, trains: 'lora', tolerance: 1e-3 },
  bf16: { settings: { ...lora, bf16: true }, trains: 'lora', tolerance: 0.05 },
  int8: { settings: { ...lora, base_compute: 'int8' }, trains: 'lora', tolerance: 0.1 },
  'bf16-int8': {
    settings: { ...lora, bf16: true, base_compute: 'int8' },
    trains: 'lora',
    tolerance: 0.1,
  },
  nf4: {
    settings: { ...lora, bf16: true, quantization_bit: 4, quantization_method: 'bnb' },
    trains: 'lora',
    tolerance: undefined,
  },
  full: { settings: full, trains: 'full', tolerance: 1e-3 },
} as const satisfies Readonly<Record<string, Variant>>;

export type VariantName = keyof typeof variants;
export const variantNames = Object.keys(variants) as VariantName[];
export const isVariant = (name: string): name is VariantName => Object.hasOwn(variants, name);
