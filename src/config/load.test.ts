import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { formatError, TuneryError } from '../core/errors.ts';
import { explainKey, explainTable } from './explain.ts';
import { configLines, formatOrigin, type Loaded, loadConfig } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const base = 'model_name_or_path: m\ndataset: d\n';
const load = (
  text: string,
  overrides: string[] = [],
  command = 'train',
  name = 'run.yaml',
): Loaded => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return loadConfig({ file, overrides, command });
};
/** The paragraph of the error, with the folder taken out. */
const failure = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof TuneryError) return formatError(error).replaceAll(`${folder}/`, '');
    throw error;
  }
  throw new Error('it did not fail');
};

describe('reading', () => {
  test('YAML 1.2: numbers, words, lists, maps, null', () => {
    const { job } = load(
      `${base}learning_rate: 1e-4\neval_strategy: no\nlora_target: [q_proj, v_proj]\nadditional_target: embed_tokens, lm_head\nlr_scheduler_kwargs: {num_cycles: 2}\nresume_from_checkpoint: null\nrun_name: 007\n`,
    );
    expect(job.train.learning_rate).toBe(0.0001);
    expect(job.train.eval_strategy).toBe('no');
    expect(job.tuning.lora_target).toEqual(['q_proj', 'v_proj']);
    expect(job.tuning.additional_target).toEqual(['embed_tokens', 'lm_head']);
    expect(job.train.lr_scheduler_kwargs).toEqual({ num_cycles: 2 });
    expect(job.train.resume_from_checkpoint).toBe(false);
    expect(job.train.run_name).toBe('007');
  });

  test('merge keys: own keys win, then the earlier map; free keys hold anchors', () => {
    const { job, origins } = load(
      'x-a: &a {lora_rank: 4, seed: 1}\nx-b: &b\n  seed: 2\n  max_steps: 9\n<<: [*a, *b]\nlora_rank: 32\nmodel_name_or_path: m\ndataset: d\n',
    );
    expect([job.tuning.lora_rank, job.train.seed, job.train.max_steps]).toEqual([32, 1, 9]);
    expect(formatOrigin(origins.get('max_steps') ?? { kind: 'default' })).toMatch(/run\.yaml:4$/);
  });

  test('an alias as a value', () => {
    expect(load(`x-n: &n 3\n${base}lora_rank: *n\n`).job.tuning.lora_rank).toBe(3);
  });

  test('JSON, with tabs and a byte order mark', () => {
    const text =
      '\uFEFF{\n\t"model_name_or_path": "m",\n\t"dataset": ["d"],\n\t"learning_rate": 2E-5\n}\n';
    expect(load(text, [], 'train', 'run.json').job.train.learning_rate).toBe(2e-5);
  });

  test('an empty file leaves the defaults', () => {
    expect(load('# nothing\n', [], 'config').job.tuning.lora_rank).toBe(8);
  });

  test('text that reads as another type is taken as such, and said', () => {
    const loaded = load(
      `${base}lora_rank: "8"\nplot_loss: "yes"\nneat_packing: off\nlr_scheduler_kwargs: '{"power": 2}'\n`,
    );
    expect(loaded.job.tuning.lora_rank).toBe(8);
    // LLaMA-Factory would have made "88" of it.
    expect(loaded.job.tuning.lora_alpha).toBe(16);
    expect(loaded.job.train.plot_loss).toBe(true);
    expect(loaded.job.data.neat_packing).toBe(false);
    expect(loaded.job.train.lr_scheduler_kwargs).toEqual({ power: 2 });
    expect(configLines(loaded)).toEqual([
      'note: `lora_rank`: the text "8" is read as the number 8',
      'note: `plot_loss`: the text "yes" is read as true',
      'note: `neat_packing`: the text "off" is read as false',
    ]);
  });

  test('an unquoted `false` may stand for `no`, as YAML 1.1 writers mean it', () => {
    expect(
      load(`${base}eval_strategy: false\nsave_strategy: false\n`).job.train.save_strategy,
    ).toBe('no');
  });
});

describe('overrides', () => {
  test('win over the file, the last one counts, and they are read as YAML', () => {
    const { job, origins } = load(`${base}seed: 1\n`, [
      'seed=2',
      'seed=3',
      'dataset=a,b',
      'lora_target=[q_proj]',
      'default_system=You are: a bot',
      'learning_rate=1e-3',
      'template=',
      'bf16=true',
    ]);
    expect(job.train.seed).toBe(3);
    expect(job.data.dataset).toEqual(['a', 'b']);
    expect(job.tuning.lora_target).toEqual(['q_proj']);
    expect(job.data.default_system).toBe('You are: a bot');
    expect(job.train.learning_rate).toBe(0.001);
    expect(job.data.template).toBe(null);
    expect(job.train.bf16).toBe(true);
    expect(origins.get('seed')).toEqual({ kind: 'argument', text: 'seed=3' });
  });

  test('an override by another name replaces the key of the file', () => {
    expect(load(`${base}val_size: 0.1\n`, ['dev_ratio=0.2']).job.data.val_size).toBe(0.2);
  });

  test('an override that mends the file is enough', () => {
    expect(load(`${base}stage: dpo\n`, ['stage=sft']).job.method.stage).toBe('sft');
  });

  test('errors name the argument', () => {
    expect(failure(() => load(base, ['lora_rank=eight']))).toBe(
      'error[config/wrong-type]: `lora_rank` wants a whole number from 1, and this is the text `eight`\n  --> command line: lora_rank=eight\n  help: `tunery config explain lora_rank` tells more',
    );
    expect(failure(() => load(base, ['=3']))).toContain('config/argument');
  });
});

describe('faults', () => {
  const table: [name: string, text: string, expected: string][] = [
    [
      'unknown key',
      `${base}learning_rat: 1\n`,
      'error[config/unknown-key]: there is no setting `learning_rat`\n  --> run.yaml:3:1\n  help: did you mean `learning_rate`?',
    ],
    [
      'wrong type, at the value',
      `${base}cutoff_len:   1.5\n`,
      'error[config/wrong-type]: `cutoff_len` wants a whole number from 1, and this is the number 1.5\n  --> run.yaml:3:15\n  help: `tunery config explain cutoff_len` tells more',
    ],
    [
      'not a choice',
      `${base}lr_scheduler_type: cosin\n`,
      'error[config/wrong-type]: `lr_scheduler_type` wants one of `linear`, `cosine`, `cosine_with_restarts`, `polynomial`, `constant`, `constant_with_warmup`, `inverse_sqrt`, `reduce_lr_on_plateau`, `cosine_with_min_lr`, `cosine_warmup_with_min_lr`, `warmup_stable_decay`, `greedy`, and this is the text `cosin`\n  --> run.yaml:3:20\n  help: `tunery config explain lr_scheduler_type` tells more',
    ],
    [
      'a choice that comes later',
      `${base}optim: lion_8bit\n`,
      'error[config/not-supported-yet]: `optim: lion_8bit` is not supported yet\n  --> run.yaml:3:1\n  help: AdamW is the only optimizer so far: use `optim: adamw_torch`, or `adamw_8bit` for a quarter of its memory',
    ],
    [
      'what an engine will have later',
      `${base}rope_scaling: linear\n`,
      'error[config/engine-planned]: `rope_scaling` will come with `engine: torch`\n  --> run.yaml:3:1\n  help: rows are cut at `cutoff_len`; keep it within the model’s own length',
    ],
    [
      'a service to report to',
      `${base}report_to: wandb\n`,
      'error[config/not-supported-yet]: `report_to: wandb` is not supported yet\n  --> run.yaml:3:1\n  help: set `report_to: none`; the run folder keeps every figure in events.jsonl, trainer_log.jsonl and training_loss.svg',
    ],
    [
      'duplicate key',
      `${base}seed: 1\nseed: 2\n`,
      'error[config/duplicate-key]: `seed` is set twice; the first is in line 3, column 1\n  --> run.yaml:4:1\n  help: keep one of the two',
    ],
    [
      'two names of one setting',
      `${base}val_size: 0.1\ndev_ratio: 0.1\n`,
      'error[config/same-setting]: `dev_ratio` is another name of `val_size`, and both are set\n  --> run.yaml:4:1\n  help: keep `val_size` only',
    ],
    [
      'a list at the top',
      '- a\n- b\n',
      'error[config/syntax]: the file must be a map of settings\n  --> run.yaml:1:1\n  help: a settings file is a list of lines `key: value`',
    ],
    [
      'a missing model',
      'dataset: d\n',
      'error[config/missing]: `tunery train` needs `model_name_or_path`\n  --> run.yaml\n  help: The model: a folder, a `.gguf` file, a hub id, or `random:llama?hidden_size=64&…` for a seeded tiny one.',
    ],
  ];
  test.each(table)('%s', (_, text, expected) => {
    expect(failure(() => load(text))).toBe(expected);
  });

  test('broken YAML and a second document, with line and column', () => {
    expect(failure(() => load(`${base}lora_target: [a, b\nseed: 1\n`))).toMatch(
      /config\/syntax[\s\S]*run\.yaml:[34]:\d+/,
    );
    expect(failure(() => load(`${base}---\nseed: 1\n`))).toMatch(
      /second YAML document[\s\S]*run\.yaml:3:1/,
    );
    expect(failure(() => load(`${base}seed: *nothing\n`))).toMatch(
      /config\/syntax[\s\S]*run\.yaml:3:7/,
    );
  });

  test('broken JSON', () => {
    expect(failure(() => load('{"seed": 1,,}', [], 'train', 'run.json'))).toMatch(
      /config\/syntax[\s\S]*run\.json:1:\d+/,
    );
  });

  test('a file that is not there suggests one that is', () => {
    load(base, [], 'train', 'lora_sft.yaml');
    const text = failure(() =>
      loadConfig({ file: join(folder, 'lora_stf.yaml'), command: 'train' }),
    );
    expect(text).toContain('config/file-missing');
    expect(text).toContain('did you mean `lora_sft.yaml`?');
    expect(failure(() => loadConfig({ file: folder, command: 'train' }))).toContain(
      'it is a folder',
    );
    expect(
      failure(() => loadConfig({ file: join(folder, 'no/where.yaml'), command: 'train' })),
    ).toContain('config/file-missing');
  });

  test('all of them at once, from top to bottom', () => {
    const text = failure(() => load(`stage: dpo\nlearning_rat: 1\n${base}lora_rank: x\n`));
    expect(text).toMatch(/^error\[config\/several\]: 3 settings need a change/);
    expect([...text.matchAll(/run\.yaml:(\d)/g)].map(([, line]) => line)).toEqual(['1', '2', '5']);
  });
});

describe('derived values', () => {
  const table: [text: string, read: (loaded: Loaded) => unknown, expected: unknown][] = [
    ['lora_rank: 32', ({ job }) => job.tuning.lora_alpha, 64],
    ['lora_rank: 32\nlora_alpha: 0', ({ job }) => job.tuning.lora_alpha, 64],
    ['lora_rank: 32\nlora_alpha: 5', ({ job }) => job.tuning.lora_alpha, 5],
    ['stage: pt', ({ job }) => job.data.packing, true],
    ['stage: pt\npacking: false', ({ job }) => job.data.packing, false],
    ['neat_packing: true', ({ job }) => job.data.packing, true],
    ['seed: 7', ({ job }) => job.data.data_seed, 7],
    ['seed: 7\ndata_seed: 8', ({ job }) => job.data.data_seed, 8],
    ['fp16: true', ({ job }) => job.train.bf16, true],
    ['fp16: true\nbf16: false', ({ job }) => job.train.bf16, true],
    ['pure_bf16: true', ({ job }) => job.train.bf16, true],
    ['warmup_ratio: 0.03', ({ job }) => job.train.warmup_steps, 0.03],
    ['warmup_steps: 20', ({ job }) => job.train.warmup_steps, 20],
    ['seed: 7', ({ job }) => job.train.gradient_checkpointing, 'selective'],
    ['disable_gradient_checkpointing: false', ({ job }) => job.train.gradient_checkpointing, true],
    [
      'disable_gradient_checkpointing: true',
      ({ job }) => job.train.gradient_checkpointing,
      'selective',
    ],
    [
      'global_batch_size: 24',
      ({ job: { train } }) => [
        train.per_device_train_batch_size,
        train.gradient_accumulation_steps,
      ],
      [8, 3],
    ],
    [
      'global_batch_size: 6',
      ({ job: { train } }) => [
        train.per_device_train_batch_size,
        train.gradient_accumulation_steps,
      ],
      [2, 3],
    ],
    [
      'global_batch_size: 6\nper_device_train_batch_size: 1',
      ({ job }) => job.train.gradient_accumulation_steps,
      6,
    ],
    [
      'logging_steps: 5\neval_strategy: steps\nval_size: 0.1',
      ({ job: { train } }) => [train.eval_steps, train.do_eval, train.do_train],
      [5, true, true],
    ],
    ['do_eval: true\nval_size: 0.1', ({ job }) => job.train.do_train, false],
    ['metric_for_best_model: accuracy', ({ job }) => job.train.greater_is_better, true],
    ['metric_for_best_model: eval_perplexity', ({ job }) => job.train.greater_is_better, false],
    [
      'model_name_or_path: models/SmolLM2.gguf\nfinetuning_type: full',
      ({ job }) => job.train.output_dir,
      'saves/smollm2/full/sft',
    ],
    ['report_to: none', ({ job }) => job.train.report_to, []],
    ['report_to: [none]', ({ job }) => job.train.report_to, []],
  ];
  test.each(table)('%s', (text, read, expected) => {
    const own = text.includes('model_name_or_path') ? 'dataset: d\n' : base;
    expect(read(load(`${own}${text}\n`))).toEqual(expected);
  });

  test('a training that ends with predictions takes what says who makes them', () => {
    const settings = ['model_name_or_path=m', 'dataset=d', 'val_size=0.1', 'infer_backend=vllm'];
    const load = (...more: string[]) =>
      loadConfig({ command: 'train', overrides: [...settings, 'vllm_python=/v/python', ...more] });
    const both = ['do_train=true', 'do_predict=true'];
    expect(load(...both).job.infer.vllm_python).toBe('/v/python');
    expect(load().job.infer.vllm_python).toBeNull();
    expect(() => load(...both, 'quantization_bit=4')).toThrow(/does not hold the model/);
  });

  test('training is not asked for by other commands', () => {
    expect(load(base, [], 'chat').job.train.do_train).toBe(false);
  });
});

describe('conflicts name the keys, the reason and the fix', () => {
  const table: [text: string, keys: string[], help: string][] = [
    [
      'load_best_model_at_end: true',
      ['load_best_model_at_end', 'eval_strategy'],
      'eval_strategy: steps',
    ],
    ['eval_strategy: steps', ['eval_strategy', 'eval_dataset', 'val_size'], 'val_size: 0.1'],
    ['do_eval: true', ['do_eval', 'eval_dataset', 'val_size'], 'val_size: 0.1'],
    ['val_size: 0.1\neval_dataset: e', ['val_size', 'eval_dataset'], 'one of the two'],
    ['val_size: 1.5', ['val_size'], '0.1'],
    [
      'mask_history: true\ntrain_on_prompt: true',
      ['mask_history', 'train_on_prompt'],
      'one of the two',
    ],
    ['warmup_steps: 10\nwarmup_ratio: 0.1', ['warmup_steps', 'warmup_ratio'], 'keep one'],
    ['stage: pt\nneat_packing: true', ['neat_packing', 'stage'], 'stage: sft'],
    ['stage: pt\ntrain_on_prompt: true', ['train_on_prompt', 'stage'], 'stage: sft'],
    ['stage: pt\nmask_history: true', ['mask_history', 'stage'], 'stage: sft'],
    ['interleave_probs: 1', ['interleave_probs', 'mix_strategy'], 'interleave_under'],
    [
      'mix_strategy: interleave_over\ninterleave_probs: 0.5,0.5',
      ['interleave_probs', 'dataset'],
      'one number for each',
    ],
    ['mix_strategy: interleave_once\ninterleave_probs: 0.5', ['interleave_probs'], 'add up to 1'],
    [
      'mix_strategy: interleave_once\ndataset_weights: 2',
      ['dataset_weights', 'mix_strategy'],
      'one of the two',
    ],
    ['dataset_weights: 0', ['dataset_weights'], 'above 0'],
    ['streaming: true', ['streaming', 'max_steps'], 'set `max_steps`'],
    [
      'streaming: true\nmax_steps: 2\nmax_samples: 5',
      ['streaming', 'max_samples'],
      'one of the two',
    ],
    ['streaming: true\nmax_steps: 2\nval_size: 0.1', ['streaming', 'val_size'], 'count of rows'],
    [
      'streaming: true\nmax_steps: 2\ntokenized_path: x',
      ['streaming', 'tokenized_path'],
      'one of the two',
    ],
    ['filter_expression: turn > 1', ['filter_expression'], '`turn` is none of'],
    ['filter_scripts: latin,hann', ['filter_scripts'], 'did you mean `han`?'],
    [
      'filter_min_tokens: 9\nfilter_max_tokens: 8',
      ['filter_min_tokens', 'filter_max_tokens'],
      'no row has',
    ],
    [
      'global_batch_size: 6\nper_device_train_batch_size: 4',
      ['global_batch_size', 'per_device_train_batch_size', 'gradient_accumulation_steps'],
      'alone',
    ],
    [
      'val_size: 0.1\neval_strategy: epoch\nload_best_model_at_end: true',
      ['load_best_model_at_end', 'save_strategy', 'eval_strategy'],
      'save_strategy: epoch',
    ],
    [
      'val_size: 0.1\neval_strategy: steps\neval_steps: 3\nsave_steps: 10\nload_best_model_at_end: true',
      ['load_best_model_at_end', 'save_steps', 'eval_steps'],
      'multiple',
    ],
    ['save_strategy: best', ['save_strategy', 'eval_strategy'], 'eval_strategy: steps'],
    ['early_stopping_steps: 3', ['early_stopping_steps', 'eval_strategy'], 'eval_strategy: steps'],
    [
      'lr_scheduler_type: reduce_lr_on_plateau',
      ['lr_scheduler_type', 'eval_strategy'],
      'another schedule',
    ],
    [
      'finetuning_type: full\nadapter_name_or_path: a',
      ['adapter_name_or_path', 'finetuning_type'],
      'tunery export',
    ],
    ['do_train: false', ['do_train', 'do_eval'], 'do_train: true'],
    [
      'gradient_checkpointing: true\ndisable_gradient_checkpointing: true',
      ['disable_gradient_checkpointing', 'gradient_checkpointing'],
      'alone',
    ],
    [
      'base_compute: int8\nfinetuning_type: full',
      ['base_compute', 'finetuning_type'],
      'finetuning_type: lora',
    ],
    [
      'base_compute: int8\nquantization_bit: 4',
      ['base_compute', 'quantization_bit'],
      'keep one of the two',
    ],
    [
      'base_compute: int8\nadapter_name_or_path: a,b',
      ['base_compute', 'adapter_name_or_path'],
      'merge them first',
    ],
  ];
  test.each(table)('%s', (text, keys, help) => {
    const said = failure(() => load(`${base}${text}\n`));
    expect(said).toContain(
      `error[config/conflict]: ${keys.map((key) => `\`${key}\``).join(', ')}: `,
    );
    expect(said).toMatch(/\n {2}--> run\.yaml(:\d+:\d+)?\n {2}help: /);
    expect(said).toContain(help);
  });

  test('nothing to train on', () => {
    expect(failure(() => load('model_name_or_path: m\n'))).toContain('nothing to train on');
  });

  test('an export without a folder', () => {
    expect(failure(() => load(base, [], 'export'))).toContain('`tunery export` needs `export_dir`');
  });

  test('LoRA keys beside full fine-tuning are a warning: such files run in LLaMA-Factory', () => {
    const loaded = load(`${base}finetuning_type: full\nlora_rank: 8\n`);
    expect(loaded.warnings).toMatchObject([{ keys: ['finetuning_type', 'lora_rank'] }]);
    expect(load(`${base}finetuning_type: full\n`).warnings).toEqual([]);
  });

  test('an odd value is a gentle warning', () => {
    const loaded = load(`${base}learning_rate: 0.5\n`);
    expect(configLines(loaded)).toEqual([
      'warning: `learning_rate: 0.5` is outside the usual 0.000001 to 0.001',
    ]);
  });
});

describe('explain', () => {
  test('every value and where it came from', () => {
    const text = explainTable(load(`${base}lora_rank: 16\n`, ['seed=3'])).replaceAll(
      `${folder}/`,
      '',
    );
    expect(text).toMatch(/^Model$/m);
    expect(text).toMatch(/^ {2}lora_rank +16 +run\.yaml:3$/m);
    expect(text).toMatch(/^ {2}lora_alpha +32 +derived from lora_rank$/m);
    expect(text).toMatch(/^ {2}data_seed +3 +derived from seed$/m);
    expect(text).toMatch(/^ {2}seed +3 +command line$/m);
    expect(text).toMatch(/^ {2}lora_target +all +default$/m);
  });

  test('one setting', () => {
    const text = explainKey('learning_rate', load(`${base}learning_rate: 1e-4\n`)).replaceAll(
      `${folder}/`,
      '',
    );
    expect(text).toBe(
      [
        'learning_rate: 0.0001',
        '  from       run.yaml:3',
        '  what       Peak step size of the optimizer.',
        '  takes      a number from 0',
        '  default    0.00005',
        '  why        The default of Hugging Face; LoRA usually wants 1e-4 to 2e-4.',
        '  usual      0.000001 to 0.001',
        '  section    Training',
      ].join('\n'),
    );
  });

  test('a former name, an accepted name, a known name, an unknown one', () => {
    const loaded = load(base);
    expect(explainKey('evaluation_strategy', loaded)).toContain(
      '`evaluation_strategy` is called `eval_strategy` here.',
    );
    expect(explainKey('ddp_timeout', loaded)).toContain('ddp_timeout: accepted;');
    expect(explainKey('deepspeed', loaded)).toMatch(
      /only +with `engine: torch`; otherwise one process trains/,
    );
    expect(explainKey('rope_scaling', loaded)).toContain('rope_scaling: not supported yet;');
    expect(failure(() => explainKey('lora_rnk', loaded))).toContain('did you mean `lora_rank`?');
  });
});

describe('`engine: auto`', () => {
  const chosen = (variables: Record<string, string>, ...settings: string[]) => {
    vi.stubEnv('FORCE_TORCHRUN', undefined);
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '');
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    const overrides = ['model_name_or_path=x', 'dataset=y', ...settings];
    return loadConfig({ command: 'train', overrides });
  };
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test.each<[string, Record<string, string>, string[], 'auto' | 'torch']>([
    ['nothing is there', {}, [], 'auto'],
    ['a GPU and a Python', { CUDA_VISIBLE_DEVICES: '0,1' }, ['engine_python=/p'], 'torch'],
    [
      'a GPU that is left alone',
      { CUDA_VISIBLE_DEVICES: '0' },
      ['engine_python=/p', 'use_cpu=true'],
      'auto',
    ],
    ['GPUs that are hidden', { CUDA_VISIBLE_DEVICES: '-1' }, ['engine_python=/p'], 'auto'],
    [
      'what only the native engine has',
      { CUDA_VISIBLE_DEVICES: '0' },
      ['engine_python=/p', 'base_compute=int8'],
      'auto',
    ],
    ['LLaMA-Factory’s variable', { FORCE_TORCHRUN: '1' }, ['nproc_per_node=2'], 'torch'],
    ['the variable, off', { FORCE_TORCHRUN: '0' }, [], 'auto'],
  ])('%s', (_, variables, settings, wanted) => {
    const { job } = chosen(variables, ...settings);
    expect(job.engine.engine).toBe(wanted);
    // A setting of torch's counts where torch was chosen.
    expect(job.engine.nproc_per_node).toBe(settings.includes('nproc_per_node=2') ? 2 : null);
  });

  test('what is written stands', () => {
    expect(chosen({ FORCE_TORCHRUN: '1' }, 'engine=native').job.engine.engine).toBe('native');
  });

  test('`fp16` is served by torch, and told where bfloat16 takes its place', () => {
    expect(chosen({}, 'fp16=true').notes.map(({ message }) => message)).toEqual([
      'bfloat16 is used instead, which needs no loss scaling',
    ]);
    expect(chosen({}, 'fp16=true', 'engine=torch').notes).toEqual([]);
  });
});

test('settings of the torch engine count with it, and are told and left out with the native one', () => {
  const overrides = [
    'model_name_or_path=x',
    'dataset=y',
    'nproc_per_node=2',
    'fsdp=full_shard auto_wrap',
  ];
  const torch = loadConfig({ command: 'train', overrides: [...overrides, 'engine=torch'] });
  expect(torch.job.engine).toMatchObject({ nproc_per_node: 2, fsdp: ['full_shard', 'auto_wrap'] });
  expect(torch.notes).toEqual([]);
  const native = loadConfig({ command: 'train', overrides });
  expect(native.job.engine).toMatchObject({ nproc_per_node: null, fsdp: [] });
  expect(native.notes.map(({ message }) => message)).toEqual([
    'one process trains, so there are no ranks to keep in step',
    'one process trains and holds the model whole, so nothing is sharded',
  ]);
  for (const wrong of ['base_compute=int8', 'deepspeed=x.json', 'fsdp=half']) {
    expect(() =>
      loadConfig({ command: 'train', overrides: [...overrides, 'engine=torch', wrong] }),
    ).toThrow();
  }
});
