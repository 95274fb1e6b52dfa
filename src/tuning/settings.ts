/** @file Settings of what is trained: all weights, or adapters beside them. */
import { z } from 'zod';
import { TuneryError } from '../core/errors.ts';
import {
  type Conflict,
  field,
  type Given,
  type SectionOf,
  section,
  textList,
  type Values,
} from '../core/field.ts';
import { adapterFolder, type PeftConfig, readPeftConfig } from './peft-config.ts';

const loraKeys = [
  'lora_rank',
  'lora_alpha',
  'lora_dropout',
  'lora_target',
  'use_rslora',
  'use_dora',
  'pissa_init',
  'additional_target',
];

/** The configuration of the adapter that training goes on with; one that cannot be read is the engine's to explain. */
function adapterOf(values: Values, { training }: Given): PeftConfig | undefined {
  const names = values['adapter_name_or_path'];
  const last: unknown = Array.isArray(names) ? names.at(-1) : undefined;
  if (!training || values['finetuning_type'] !== 'lora' || typeof last !== 'string') {
    return undefined;
  }
  try {
    return readPeftConfig(adapterFolder(last)).config;
  } catch (error) {
    if (error instanceof TuneryError) return undefined;
    throw error;
  }
}

const ofAdapter = (value: (config: PeftConfig) => unknown) => ({
  from: ['adapter_name_or_path'],
  value(values: Values, given: Given): unknown {
    const config = adapterOf(values, given);
    return config && value(config);
  },
});

function targetsOf({ target_modules: targets }: PeftConfig): readonly string[] | undefined {
  if (targets === 'all-linear') return ['all'];
  return typeof targets === 'string' ? [targets] : (targets ?? undefined);
}

/** What the settings say of the adapter and its own folder says otherwise. */
function otherAdapter(values: Values, given: Given): Conflict | undefined {
  const config = adapterOf(values, given);
  if (!config) return undefined;
  const own: Readonly<Record<string, unknown>> = {
    lora_rank: config.r,
    lora_alpha: config.lora_alpha,
    lora_target: targetsOf(config),
    additional_target: config.modules_to_save ?? [],
    use_rslora: config.use_rslora ?? false,
  };
  const text = (value: unknown): string =>
    Array.isArray(value) ? value.toSorted().join(',') : String(value);
  for (const [key, is] of Object.entries(own)) {
    const wanted = values[key];
    // `all` means other names in each family; the engine says where the adapter has fewer.
    if (!given.has(key) || is === undefined || text(wanted) === text(is)) continue;
    if (key === 'lora_target' && text(wanted) === 'all') continue;
    return {
      keys: [key, 'adapter_name_or_path'],
      message: `\`${key}: ${text(wanted)}\` is set, and the adapter that training goes on with has ${text(is) || 'none'}`,
      help: `take \`${key}\` out, which then follows the adapter; or leave \`adapter_name_or_path\` out to begin a new one`,
    };
  }
  return undefined;
}

export const tuningSection = section(
  'tuning',
  'Tuning',
  {
    finetuning_type: field(z.enum(['lora', 'oft', 'full']).default('lora'), {
      help: 'What is trained: `lora` (small adapters beside frozen weights), `oft` (rotations of frozen weights, by the torch engine) or `full` (every weight).',
      later: {
        freeze: 'use `finetuning_type: lora`, or `full` to train every layer',
      },
    }),
    lora_rank: field(z.int().min(1).default(8), {
      help: 'Rank of the adapters: their width, and so how much they can learn.',
      healthy: [1, 256],
    }),
    lora_alpha: field(z.number().min(0).default(16), {
      help: 'Scale of the adapters: their output is multiplied by `lora_alpha` / `lora_rank`.',
      why: 'Twice the rank, as LLaMA-Factory has it: then the rank can be changed alone.',
      unset: [0],
    }),
    lora_dropout: field(z.number().min(0).lt(1).default(0), {
      help: 'Share of the adapters’ inputs that is dropped in training.',
      healthy: [0, 0.3],
    }),
    lora_target: field(textList().default(['all']), {
      help: 'Modules that get an adapter, by short name (`q_proj,v_proj`), or `all` linear layers but the head.',
    }),
    use_rslora: field(z.boolean().default(false), {
      help: 'Scales adapters by `lora_alpha` / √`lora_rank` (rsLoRA): a high rank then learns as fast as a low one.',
      why: 'The paper of Kalajdzievski 2023, arXiv:2312.03732.',
      level: 'advanced',
    }),
    use_dora: field(z.boolean().default(false), {
      help: 'Learns the length of each merged weight’s columns by itself (DoRA); the torch engine does it.',
      why: 'The paper of Liu et al. 2024, arXiv:2402.09353.',
      level: 'advanced',
    }),
    pissa_init: field(z.boolean().default(false), {
      help: 'Begins LoRA as the largest part of each weight, which is taken out of the base meanwhile (PiSSA); the torch engine does it.',
      why: 'The paper of Meng et al. 2024, arXiv:2404.02948: it learns faster at first than from zero.',
      level: 'advanced',
    }),
    pissa_iter: field(z.int().min(-1).default(16), {
      help: 'Iterations of the quick decomposition that PiSSA begins with; -1 is the exact one, which takes long.',
      level: 'advanced',
    }),
    pissa_convert: field(z.boolean().default(false), {
      help: 'Taken for compatibility: what PiSSA learned is always saved as plain LoRA of twice the rank, which fits the base as it was.',
      level: 'advanced',
    }),
    oft_rank: field(z.int().min(0).default(0), {
      help: 'How many rotations each module has side by side; 0 leaves it to `oft_block_size`.',
      why: 'OFT (Qiu et al. 2023, arXiv:2306.07280) turns the inputs of a weight in blocks, and so keeps the angles between its neurons.',
      level: 'advanced',
    }),
    oft_block_size: field(z.int().min(0).default(32), {
      help: 'Inputs that each rotation turns together; 0 leaves it to `oft_rank`.',
      level: 'advanced',
    }),
    oft_target: field(textList().default(['all']), {
      help: 'Modules that are rotated, by short name, or `all` linear layers but the head.',
      level: 'advanced',
    }),
    module_dropout: field(z.number().min(0).lt(1).default(0), {
      help: 'Share of the rotations that are left out in a training step.',
      level: 'advanced',
    }),
    additional_target: field(textList().default([]), {
      help: 'Modules that are trained whole beside the adapters and saved with them, as `embed_tokens,lm_head`: all whose names end so (`norm` is every norm).',
      level: 'advanced',
    }),
    pure_bf16: field(z.boolean().default(false), {
      help: 'Taken as `bf16`: trained weights and the optimizer’s state stay f32 here.',
      accepted: {
        true: 'taken as `bf16: true`; trained weights and optimizer state stay f32, so no update is lost to rounding',
      },
      level: 'advanced',
    }),
  },
  {
    // What an adapter is does not change while it goes on learning: its own folder says it.
    derive: {
      lora_rank: ofAdapter((config) => config.r),
      lora_alpha: {
        from: ['lora_rank'],
        value: (v, given) => adapterOf(v, given)?.lora_alpha ?? 2 * v.lora_rank,
      },
      lora_dropout: ofAdapter((config) => config.lora_dropout),
      lora_target: ofAdapter(targetsOf),
      additional_target: ofAdapter((config) => config.modules_to_save ?? []),
      use_rslora: ofAdapter((config) => config.use_rslora ?? false),
    },
    rules: [
      otherAdapter,
      (v, given) => {
        const adapters = v['adapter_name_or_path'];
        const other = v.use_dora
          ? 'use_dora'
          : v['quantization_bit'] !== null
            ? 'quantization_bit'
            : Array.isArray(adapters) && adapters.length > 0
              ? 'adapter_name_or_path'
              : undefined;
        return given.training && v.pissa_init && other !== undefined
          ? {
              keys: ['pissa_init', other],
              message: 'PiSSA takes a new LoRA out of a base that is held as numbers',
              help: `take \`pissa_init\` out, or \`${other}\``,
            }
          : undefined;
      },
      (v, given) =>
        given.training && v.pissa_init && v['engine'] !== 'torch'
          ? {
              keys: ['pissa_init', 'engine'],
              message: 'only the torch engine has PiSSA',
              help: 'set `engine: torch`, or take `pissa_init` out: plain LoRA is there',
            }
          : undefined,
      (v, given) =>
        given.training && v.finetuning_type === 'oft' && v['engine'] !== 'torch'
          ? {
              keys: ['finetuning_type', 'engine'],
              message: 'only the torch engine has OFT',
              help: 'set `engine: torch`, or `finetuning_type: lora`',
            }
          : undefined,
      (v, given) =>
        given.training && v.finetuning_type === 'oft' && v.oft_rank > 0 === v.oft_block_size > 0
          ? {
              keys: ['oft_rank', 'oft_block_size'],
              message:
                'one of the two says how a weight is cut into rotations, and the other is 0 then',
              help: 'set `oft_block_size: 0` beside `oft_rank`, or leave `oft_rank` out',
            }
          : undefined,
      (v, given) =>
        given.training && v.use_dora && v['engine'] !== 'torch'
          ? {
              keys: ['use_dora', 'engine'],
              message: 'only the torch engine has DoRA',
              help: 'set `engine: torch`, or take `use_dora` out: plain LoRA is there',
            }
          : undefined,
      (v, given) => {
        const set = loraKeys.filter((key) => given.has(key));
        return v.finetuning_type === 'full' && set.length > 0
          ? {
              keys: ['finetuning_type', ...set],
              message: `\`finetuning_type: full\` trains every weight and has no adapter, so ${set.map((key) => `\`${key}\``).join(', ')} ${set.length === 1 ? 'does' : 'do'} nothing`,
              help: 'for adapters set `finetuning_type: lora`; else take the LoRA keys out',
              severity: 'warning',
            }
          : undefined;
      },
      (v, given) => {
        const adapters = v.adapter_name_or_path;
        return given.training &&
          v.finetuning_type !== 'lora' &&
          Array.isArray(adapters) &&
          adapters.length > 0
          ? {
              keys: ['adapter_name_or_path', 'finetuning_type'],
              message: `\`finetuning_type: ${v.finetuning_type}\` has no adapter to go on with`,
              help: 'set `finetuning_type: lora`, or merge the adapter first with `tunery export` and train the result',
            }
          : undefined;
      },
    ],
  },
);
export type TuningSettings = SectionOf<typeof tuningSection>;
