/** @file LLaMA-Factory's own example files and argument names, as facts in tests/fixtures. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { TuneryError } from '../core/errors.ts';
import { allNames, answer, canonicalKey } from './answer.ts';
import { checkEntries, verdictLine } from './check.ts';
import { ConfigProblems } from './errors.ts';
import { formerNames, knownKeys } from './known-keys.ts';
import { configLines, resolveConfig } from './load.ts';
import { aliases, sectionList, settings } from './run-config.ts';
import type { Entry } from './source.ts';
import { toJsonSchema } from './to-json-schema.ts';

const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../tests/fixtures/${name}`, import.meta.url), 'utf8'));

const Values = z.record(z.string(), z.unknown());
const examples = z
  .array(z.object({ path: z.string(), kind: z.string(), values: Values, commented_out: Values }))
  .parse(fixture('llamafactory-examples.json'));
const lfDefaults: Readonly<Record<string, unknown>> = Object.assign(
  {},
  ...Object.values(z.record(z.string(), Values).parse(fixture('llamafactory-args.json'))),
);

const entry = (key: string, value: unknown): Entry => {
  const place = { file: 'example.yaml', line: 1, column: 1 };
  return { key, value, from: 'file', keyPlace: place, valuePlace: place };
};
const entries = (values: Readonly<Record<string, unknown>>): Entry[] =>
  Object.entries(values).map(([key, value]) => entry(key, value));

const commandOf: Readonly<Record<string, string>> = { infer: 'chat', export: 'export' };

const problemsOf = (values: Readonly<Record<string, unknown>>, command: string): TuneryError[] => {
  try {
    resolveConfig(entries(values), command, 'example.yaml');
    return [];
  } catch (error) {
    if (error instanceof ConfigProblems) return [...error.problems];
    if (error instanceof TuneryError) return [error];
    throw error;
  }
};

describe('example files for text work as they stand', () => {
  const named = [
    'train_lora/qwen3_lora_sft.yaml',
    'train_lora/qwen3_lora_sft_ds3.yaml',
    'train_lora/qwen3_lora_sft_ray.yaml',
    'train_full/qwen3_full_sft.yaml',
    'train_lora/qwen3_lora_pretrain.yaml',
    'inference/qwen3.yaml',
    'inference/qwen3_lora_sft.yaml',
    'inference/qwen3_full_sft.yaml',
    'merge_lora/qwen3_lora_sft.yaml',
    'merge_lora/qwen3_full_sft.yaml',
  ];

  test.each(named)('%s', (path) => {
    const example = examples.find((row) => row.path === path);
    expect(example).toBeDefined();
    const { values = {}, kind = '' } = example ?? {};
    expect(problemsOf(values, commandOf[kind] ?? 'train')).toEqual([]);
    const { values: resolved } = resolveConfig(entries(values), commandOf[kind] ?? 'train');
    for (const [key, value] of Object.entries(values)) {
      if (value === null || value === 'none' || !settings.has(key)) continue;
      // Told with a line, where the native engine trains.
      if (settings.get(key)?.field.notes.ofEngine) continue;
      const list = typeof value === 'string' && Array.isArray(resolved[key]);
      expect(resolved[key], key).toEqual(list ? value.split(',') : value);
    }
  });

  test('`config check` takes each for what it is for', () => {
    for (const path of named) {
      const example = examples.find((row) => row.path === path);
      expect(problemsOf(example?.values ?? {}, 'config'), path).toEqual([]);
      expect(
        problemsOf({ ...example?.values, model_name_or_path: null }, 'config').length,
        path,
      ).toBe(path.startsWith('inference') ? 0 : 1);
    }
  });

  test('the JSON Schema lets them pass, and finds slips', () => {
    const schema = z.fromJSONSchema(toJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
    for (const path of named) {
      const example = examples.find((row) => row.path === path);
      expect(schema.safeParse(example?.values).error, path).toBeUndefined();
    }
    expect(schema.safeParse({ lora_rank: 0 }).success).toBe(false);
    expect(schema.safeParse({ lora_rnk: 1 }).success).toBe(false);
    expect(schema.safeParse({ eval_strategy: 'never' }).success).toBe(false);
    expect(schema.safeParse({ 'x-base': {}, seed: null, lora_target: ['q_proj'] }).success).toBe(
      true,
    );
  });

  test('with the lines that stand commented out in them', () => {
    for (const path of named.filter((name) => name.startsWith('train_') && !name.includes('ray'))) {
      const example = examples.find((row) => row.path === path);
      const { eval_dataset: _, ...rest } = example?.commented_out ?? {};
      expect(problemsOf({ ...example?.values, ...rest }, 'train'), path).toEqual([]);
    }
  });

  test('the notes of the LoRA example say what happens with each accepted key', () => {
    const example = examples.find(({ path }) => path === 'train_lora/qwen3_lora_sft.yaml');
    const loaded = resolveConfig(entries(example?.values ?? {}), 'train');
    expect(configLines(loaded)).toEqual([
      'note: `trust_remote_code`: code that comes with a model is never run; its family must be built in',
      'note: `dataloader_num_workers`: rows come from a memory-mapped file, which needs no loader',
      'note: `ddp_timeout`: one process trains, so there are no ranks to keep in step',
    ]);
    expect(loaded.job.train.warmup_steps).toBe(0.1);
  });

  test('deepspeed in the full example is accepted with a line', () => {
    const example = examples.find(({ path }) => path === 'train_full/qwen3_full_sft.yaml');
    const lines = configLines(resolveConfig(entries(example?.values ?? {}), 'train'));
    expect(lines).toContain(
      'note: `deepspeed`: one process trains and holds the model whole, so nothing is sharded',
    );
  });
});

test('no key of any example is unknown; the rest names its alternative', () => {
  expect(examples.length).toBeGreaterThan(60);
  for (const { path, kind, values } of examples) {
    const problems = problemsOf(values, commandOf[kind] ?? 'train');
    for (const problem of problems) {
      expect(['config/not-supported-yet', 'config/engine-planned']).toContain(problem.code);
      expect(problem.help, path).toBeTruthy();
    }
  }
});

test('`config check` has one of three verdicts for each, and no key is dropped in silence', () => {
  const verdicts = new Map<string, string>();
  for (const { path, kind, values } of examples) {
    if (!['train', 'infer', 'export'].includes(kind)) continue;
    const verdict = checkEntries(entries(values));
    verdicts.set(path, verdictLine(verdict));
    const { problems, loaded } =
      verdict.kind === 'runs'
        ? { problems: [], loaded: verdict.loaded }
        : { problems: verdict.problems, loaded: undefined };
    for (const key of Object.keys(values)) {
      const told =
        settings.has(canonicalKey(key)) ||
        knownKeys.has(canonicalKey(key)) ||
        problems.some(({ message }) => message.includes(`\`${key}`)) ||
        loaded?.notes.some(({ keys }) => keys.includes(key));
      expect(told, `${path}: ${key}`).toBe(true);
    }
  }
  expect(verdicts.size).toBe(63);
  for (const [path, line] of verdicts) {
    expect(line, path).toMatch(/^(runs( with engine: torch( \(planned\))?)?|refused: `.+)$/);
  }
  expect(verdicts.get('train_lora/qwen3_lora_sft.yaml')).toBe('runs');
  expect(verdicts.get('train_qlora/qwen3_lora_sft_otfq.yaml')).toBe('runs');
  expect(verdicts.get('extras/oft/llama3_oft_sft.yaml')).toBe('runs with engine: torch');
  expect(verdicts.get('extras/galore/llama3_full_sft.yaml')).toBe(
    'refused: `use_galore`, `galore_layerwise`, `galore_rank` are not supported yet',
  );
});

test.each(['dpo', 'kto', 'rm', 'ppo'])('stage %s is known', (stage) => {
  const written = entry('stage', stage);
  expect(answer(written, 'train')).toMatchObject({ kind: 'later', what: `stage: ${stage}` });
  expect(answer(written, 'data tokens')).toMatchObject({ kind: 'value', value: stage });
  const values = { stage, model_name_or_path: 'm', dataset: 'd', template: 'qwen' };
  expect(problemsOf(values, 'data tokens')).toEqual([]);
  // A file with `dataset` is to be trained.
  expect(problemsOf(values, 'config').map(({ message }) => message)).toEqual([
    `\`stage: ${stage}\` is not supported yet`,
  ]);
});

describe('every argument of LLaMA-Factory', () => {
  const names = Object.keys(lfDefaults);

  test('has an answer', () => {
    expect(names.length).toBeGreaterThan(385);
    expect(
      names.filter((name) => !settings.has(canonicalKey(name)) && !knownKeys.has(name)),
    ).toEqual([]);
  });

  test('passes with its default, with null, and with an off value', () => {
    for (const name of names) {
      for (const value of [lfDefaults[name], null]) {
        expect(['value', 'unset'], `${name}: ${JSON.stringify(value)}`).toContain(
          answer(entry(name, value)).kind,
        );
      }
      if (settings.has(canonicalKey(name))) continue;
      for (const value of [false, 0, 'none', '', []]) {
        expect(answer(entry(name, value)).kind, name).toBe('unset');
      }
    }
  });

  test('a known default is silent, an off value that differs says so', () => {
    expect(answer(entry('use_galore', false))).toEqual({ kind: 'unset', notes: [] });
    expect(answer(entry('galore_rank', 0))).toMatchObject({
      kind: 'unset',
      notes: ['it is not supported yet, and off'],
    });
    expect(answer(entry('ddp_timeout', 180000000))).toMatchObject({ kind: 'unset' });
  });

  test('a known one that is switched on stops, with the alternative', () => {
    const problems = problemsOf(
      { model_name_or_path: 'm', dataset: 'd', use_galore: true, galore_rank: 4 },
      'train',
    );
    expect(problems.map(({ message }) => message)).toEqual([
      '`use_galore`, `galore_rank` are not supported yet',
    ]);
    expect(problems[0]?.help).toContain('finetuning_type: lora');
  });
});

test('no key has two owners, and no name two answers', () => {
  const keys = sectionList.flatMap(({ fields }) => Object.keys(fields));
  expect(keys.length).toBe(settings.size);
  const names = allNames();
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  for (const key of formerNames.values()) expect(knownKeys.has(key), key).toBe(true);
});

test('a word that every object has is no name', () => {
  for (const word of ['constructor', '__proto__', 'toString']) {
    expect(answer(entry(word, 1)).kind).toBe('problem');
    expect(answer(entry('stage', word))).toMatchObject({
      problem: { code: 'config/wrong-type' },
    });
  }
});

test('former names lead to the names of today, and say so', () => {
  expect(aliases.get('evaluation_strategy')).toBe('eval_strategy');
  const loaded = resolveConfig(
    entries({ model_name_or_path: 'm', dataset: 'd', checkpoint_dir: 'a,b', dev_ratio: 0.2 }),
    'config',
  );
  expect(loaded.job.model.adapter_name_or_path).toEqual(['a', 'b']);
  expect(loaded.job.data.val_size).toBe(0.2);
  expect(configLines(loaded)).toContain('note: `dev_ratio`: it is called `val_size` here');
  expect(answer(entry('neft_alpha', 5))).toMatchObject({ kind: 'later', what: 'neft_alpha' });
});

test('defaults equal LLaMA-Factory’s but for those that say why', () => {
  const own = new Set([
    'gradient_checkpointing',
    'disable_gradient_checkpointing',
    'logging_steps',
  ]);
  // Null, empty and derived defaults there mean the same as ours.
  const same = new Set([
    ...['infer_backend', 'optim', 'lora_target', 'oft_target', 'include_num_input_tokens_seen'],
  ]);
  for (const { fields } of sectionList) {
    for (const [key, { schema, notes }] of Object.entries(fields)) {
      const theirs = lfDefaults[key];
      if (theirs === undefined || theirs === null || theirs === 'none' || same.has(key)) continue;
      if (own.has(key)) expect(notes.why, key).toBeTruthy();
      else expect(schema.parse(undefined), key).toEqual(theirs);
    }
  }
});
