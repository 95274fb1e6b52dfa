/** @file Settings of the data: which rows, how they become tokens, and what of them is learned. */
import { z } from 'zod';
import {
  type Conflict,
  field,
  numberList,
  type SectionOf,
  section,
  textList,
} from '../core/field.ts';
import { filterFields, filterRules } from './filter-settings.ts';
import { mixingRules, streamingRules } from './mixing-rules.ts';
import { toolFormatNames } from './tool-formats/index.ts';

const onlySft = (key: string, ofTexts: string, ofOthers: string) => {
  return (values: Readonly<Record<string, unknown>>): Conflict | undefined =>
    values[key] === true && values.stage !== 'sft'
      ? {
          keys: [key, 'stage'],
          message: `\`${key}\` works with \`stage: sft\` only: ${values.stage === 'pt' ? ofTexts : ofOthers}`,
          help: `take \`${key}\` out, or set \`stage: sft\``,
        }
      : undefined;
};

export const dataSection = section(
  'data',
  'Data',
  {
    dataset: field(textList().default([]), {
      help: 'Data sets: names in `dataset_info.json`, or paths of files: json, jsonl, csv, tsv, txt (each also .gz), parquet, arrow.',
      aliases: ['datasets'],
    }),
    dataset_dir: field(z.string().default('data'), {
      help: 'Folder of `dataset_info.json` and of the files that it names.',
    }),
    eval_dataset: field(textList().default([]), {
      help: 'Data sets to evaluate on, spelled as in `dataset`.',
    }),
    eval_on_each_dataset: field(z.boolean().default(false), {
      help: 'Evaluate on each data set of `eval_dataset` by itself too: `eval_<name>_loss`.',
    }),
    mix_strategy: field(
      z
        .enum(['concat', 'interleave_under', 'interleave_over', 'interleave_once'])
        .default('concat'),
      {
        help: 'How several data sets become one: one after the other; or in turn, until the first is at its end (`interleave_under`), until each has been read through, the shorter ones again and again (`interleave_over`), or until each has been read once (`interleave_once`).',
      },
    ),
    interleave_probs: field(numberList().nullable().default(null), {
      help: 'For interleaving: the share of each data set, drawn at random; unset is in turn.',
      level: 'advanced',
    }),
    dataset_weights: field(numberList().nullable().default(null), {
      help: 'How often the rows of each data set are taken: 2 is each of them twice, 0.5 is half of them, at random.',
      level: 'advanced',
    }),
    template: field(z.string().nullable().default(null), {
      help: 'Chat template: a named one, or unset for the model’s own Jinja template.',
      why: 'The model’s own template is what it was trained with.',
      aliases: ['prompt_template'],
    }),
    cutoff_len: field(z.int().min(1).default(2048), {
      help: 'Longest row; with `stage: pt`, the length of a block of the joined texts.',
      unit: 'tokens',
      healthy: [16, 131072],
    }),
    max_samples: field(z.int().min(1).nullable().default(null), {
      help: 'At most so many rows of each data set, the first ones.',
      unit: 'rows',
    }),
    overlong: field(z.enum(['truncate', 'drop', 'error']).default('truncate'), {
      help: 'What happens to a row longer than `cutoff_len`: it is cut, left out and counted, or refused by its line.',
    }),
    ...filterFields,
    val_size: field(z.number().min(0).default(0), {
      help: 'Rows held back for evaluation: a share below 1, or a count from 1.',
      aliases: ['dev_ratio'],
    }),
    train_on_prompt: field(z.boolean().default(false), {
      help: 'Learn the prompts too, not only the replies.',
      level: 'advanced',
    }),
    mask_history: field(z.boolean().default(false), {
      help: 'Learn the last reply of a conversation only.',
      aliases: ['train_last_turn_only'],
      level: 'advanced',
    }),
    packing: field(z.boolean().default(false), {
      help: 'Compose rows of up to `cutoff_len` tokens from short ones; documents never see each other.',
      why: 'No padding is ever computed here, so packing saves nothing; it changes which rows share a step.',
      aliases: ['sft_packing'],
      accepted: {
        true: 'packs are composed as in LLaMA-Factory, and their documents stay apart (as with `neat_packing`)',
      },
      level: 'advanced',
    }),
    neat_packing: field(z.boolean().default(false), {
      help: '`packing` with documents kept apart, which is how packing works here anyway.',
      aliases: ['efficient_packing'],
      level: 'advanced',
    }),
    default_system: field(z.string().nullable().default(null), {
      help: 'System message of conversations that have none; unset is the template’s own.',
      aliases: ['system_prompt', 'system_message'],
    }),
    tool_format: field(z.enum(toolFormatNames).nullable().default(null), {
      help: 'How a named template writes tools and calls; unset is as the template has it.',
      why: 'A model’s own tool format is the one that it knows; another one has to be learned.',
      level: 'advanced',
    }),
    enable_thinking: field(z.boolean().nullable().default(true), {
      help: 'Whether the replies of a thinking template think: `true` adds an empty thought where a reply has none, `false` takes all thoughts out, `null` lets replies think or not.',
      level: 'advanced',
    }),
    preserve_thinking: field(z.boolean().default(false), {
      help: 'With a thinking template, keep the thoughts of earlier replies where they are history: in preference data, with `mask_history`, and when chatting.',
      level: 'advanced',
    }),
    chat_template_kwargs: field(
      z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])).default({}),
      {
        help: 'What else the model’s own Jinja template is given, by the names that it knows: `{reasoning_effort: high}`, `{thinking: true}`.',
        why: 'Named templates know no such names; a name that the template does not ask for does nothing.',
        level: 'advanced',
      },
    ),
    allow_unsupervised: field(z.boolean().default(false), {
      help: 'Let rows and steps pass in which no token is learned; they are counted and reported.',
      why: 'Such a row is nearly always a mistake in the data or a prompt longer than `cutoff_len`.',
      level: 'advanced',
    }),
    data_seed: field(z.int().min(0).default(42), {
      help: 'Seed of the order and the choice of rows.',
      why: 'It follows `seed`, so that one number repeats a run.',
      level: 'advanced',
    }),
    disable_shuffling: field(z.boolean().default(false), {
      help: 'Keep the rows in the order of the files, in every epoch.',
      level: 'advanced',
    }),
    overwrite_cache: field(z.boolean().default(false), {
      help: 'Tokenize again even where a prepared set with the same content is in the cache.',
      why: 'The cache key is the content, so a stale set is never taken.',
      level: 'advanced',
    }),
    streaming: field(z.boolean().default(false), {
      help: 'Read no more rows than `max_steps` asks for, through a shuffle buffer: for sets that never end, or fit no disk.',
      level: 'advanced',
    }),
    buffer_size: field(z.int().min(1).default(16384), {
      help: 'With `streaming`, rows among which the next one is drawn.',
      unit: 'rows',
      level: 'advanced',
    }),
    tokenized_path: field(z.string().nullable().default(null), {
      help: 'Folder of prepared sets: where it is there it is taken, and all other settings of the data are ignored; else it is written.',
      aliases: ['cache_path'],
      level: 'advanced',
    }),
    preprocessing_num_workers: field(z.int().min(1).nullable().default(null), {
      help: 'Threads that tokenize; unset is one for each core. A small set needs none. The result is the same for any number.',
      why: 'LLaMA-Factory composes packs worker by worker; here they follow from the rows alone.',
      level: 'advanced',
    }),
    preprocessing_batch_size: field(z.int().min(1).default(1000), {
      help: 'Rows among which `packing` composes its packs, and texts that `stage: pt` joins before it cuts blocks.',
      unit: 'rows',
      aliases: ['dataset_map_batch_size'],
      level: 'advanced',
    }),
  },
  {
    derive: {
      packing: {
        from: ['stage', 'neat_packing'],
        value: (v) => v.stage === 'pt' || v.neat_packing || undefined,
      },
      data_seed: { from: ['seed'], value: (v) => v.seed },
    },
    rules: [
      ...mixingRules,
      ...streamingRules,
      ...filterRules,
      onlySft(
        'neat_packing',
        'texts of `pt` are joined into blocks',
        'rows of the other stages are never packed',
      ),
      onlySft(
        'train_on_prompt',
        '`pt` learns every token',
        'the other stages compare or answer whole prompts',
      ),
      onlySft('mask_history', '`pt` has no turns', 'the other stages learn the last reply anyway'),
      (v) =>
        v.mask_history && v.train_on_prompt
          ? {
              keys: ['mask_history', 'train_on_prompt'],
              message:
                '`mask_history` learns only the last reply, `train_on_prompt` learns everything before it too',
              help: 'keep one of the two',
            }
          : undefined,
      (v) =>
        v.val_size > 0 && v.eval_dataset.length > 0
          ? {
              keys: ['val_size', 'eval_dataset'],
              message:
                'rows to evaluate on come either from the training data (`val_size`) or from `eval_dataset`, not from both',
              help: 'take one of the two out',
            }
          : undefined,
      (v) =>
        v.val_size > 0 && v.dataset.length === 0
          ? {
              keys: ['val_size', 'dataset'],
              message: '`val_size` holds rows of `dataset` back, and there is none',
              help: 'set `dataset`, or name the rows to evaluate on in `eval_dataset`',
            }
          : undefined,
      (v) =>
        v.val_size > 1 && !Number.isInteger(v.val_size)
          ? {
              keys: ['val_size'],
              message: `\`val_size: ${v.val_size}\` is neither a share (below 1) nor a count of rows`,
              help: 'write `0.1` for a tenth, or `100` for a hundred rows',
            }
          : undefined,
    ],
  },
);
export type DataSettings = SectionOf<typeof dataSection>;
