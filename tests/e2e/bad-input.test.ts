/**
 * @file What a person gets to read who made a mistake: one paragraph and an exit code, nothing written and nothing lost.
 * Each case is the real program in a folder of its own.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listing, makePlace, type Place } from './cli.ts';
import { writeModelFolder } from './model-folder.ts';
import { refused, smallDisk } from './small-disk.ts';

const random = 'random:llama?hidden_size=16&intermediate_size=16&num_hidden_layers=1';

/** Another model by its width. */
const wider = [`model_name_or_path=${random.replace('hidden_size=16', 'hidden_size=32')}`];
const resume = 'resume_from_checkpoint=true';

const yaml = (changes: Readonly<Record<string, string>> = {}): string =>
  Object.entries({
    model_name_or_path: random,
    stage: 'sft',
    finetuning_type: 'lora',
    dataset: 'rows.jsonl',
    template: 'chatml',
    max_steps: '2',
    per_device_train_batch_size: '1',
    output_dir: 'out',
    ...changes,
  })
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');

type Files = Readonly<Record<string, string | Uint8Array>>;

const good = { instruction: 'Who are you?', output: 'I am Tuna.' };
const jsonl = (...rows: readonly unknown[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const rows = (...some: readonly unknown[]): Files => ({
  'run.yaml': yaml(),
  'rows.jsonl': jsonl(...some),
});
const settings = (changes: Readonly<Record<string, string>>): Files => ({
  'run.yaml': yaml(changes),
  'rows.jsonl': jsonl(good),
});

const turn = (role: string, content: string) => ({ role, content });

function write(place: Place, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(place.at(name)), { recursive: true });
    writeFileSync(place.at(name), content);
  }
}

/** Runs `tunery train run.yaml …` and holds it to its paragraph, its exit code and the folder as it was. */
async function refuses(place: Place, code: number, error: string, ...more: string[]) {
  const before = listing(place.folder);
  await tells(place, code, error, ...more);
  expect(listing(place.folder)).toEqual(before);
  // Not even half of a prepared set stays in the cache.
  const prepared = join(place.cache, 'prepared');
  const left = existsSync(prepared) ? readdirSync(prepared) : [];
  expect(left.filter((name) => name.startsWith('.'))).toEqual([]);
}

async function tells(place: Place, code: number, error: string, ...more: string[]) {
  const ended = await place.run('train', 'run.yaml', ...more);
  const told = ended.err
    .replaceAll(place.folder, '<here>')
    .replaceAll(place.cache, '<cache>')
    .replaceAll(/\b[0-9a-f]{12}(?= before| now)/g, '<digest>')
    // Pages that the run's other files took, whose length is no matter of this test.
    .replaceAll(/\b\d\d\.\d kB(?= free)/g, '<some kB>');
  expect(told).toBe(`${error}\n`);
  expect(ended).toMatchObject({ code, signal: null, hung: false });
}

const folderModel = 'random:llama?hidden_size=16&intermediate_size=16&num_hidden_layers=1&seed=7';
const models = mkdtempSync(join(tmpdir(), 'tunery-e2e-models-'));
afterAll(() => rmSync(models, { recursive: true, force: true }));
await writeModelFolder(models, folderModel);

/** A whole model folder under `model/`, some of its files changed. */
const model = (changes: Files, keys: Readonly<Record<string, string>> = {}): Files => ({
  ...Object.fromEntries(
    readdirSync(models).map((name) => [`model/${name}`, readFileSync(join(models, name))]),
  ),
  ...settings({ model_name_or_path: 'model', ...keys }),
  ...changes,
});
const weights = readFileSync(join(models, 'model.safetensors'));

/** A SafeTensors file of a header that claims what it likes. */
function hostile(header: string, claim = header.length): Uint8Array {
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(claim));
  return Buffer.concat([start, Buffer.from(header), Buffer.alloc(64)]);
}
const floats = (from: number, to: number): string =>
  `{"dtype":"F32","shape":[${(to - from) / 4}],"data_offsets":[${from},${to}]}`;

const cases: readonly [what: string, files: Files, code: number, error: string][] = [
  [
    'an unknown key',
    settings({ lora_rnak: '8' }),
    2,
    `error[config/unknown-key]: there is no setting \`lora_rnak\`
  --> run.yaml:9:1
  help: did you mean \`lora_rank\`?`,
  ],
  [
    'a wrong type',
    settings({ learning_rate: 'fast' }),
    2,
    `error[config/wrong-type]: \`learning_rate\` wants a number from 0, and this is the text \`fast\`
  --> run.yaml:9:16
  help: \`tunery config explain learning_rate\` tells more`,
  ],
  [
    'two settings at once',
    settings({ lora_rank: '-1', lerning_rate: '1' }),
    2,
    `error[config/several]: 2 settings need a change

error[config/wrong-type]: \`lora_rank\` wants a whole number from 1, and this is the number -1
  --> run.yaml:9:12
  help: \`tunery config explain lora_rank\` tells more

error[config/unknown-key]: there is no setting \`lerning_rate\`
  --> run.yaml:10:1
  help: did you mean \`learning_rate\`?`,
  ],
  [
    'a missing model',
    settings({ model_name_or_path: 'models/none' }),
    1,
    `error[models/not-found]: no model \`models/none\`; tried the path <here>/models/none, the hub cache <cache>/hub (\`HF_HUB_OFFLINE\` forbids asking the hub itself)
  help: give a folder with config.json, *.safetensors and tokenizer.json, a .gguf file, or a hub id; for the hub: fetch it once with a network, or unset \`HF_HUB_OFFLINE\``,
  ],
  [
    'a missing data set',
    settings({ dataset: 'row.jsonl' }),
    1,
    `error[data/unknown-dataset]: data set \`row.jsonl\` is no file, and there is no data/dataset_info.json that could name it (did you mean \`rows.jsonl\`?)
  help: add it to dataset_info.json, give the path of a file, or a hub id (\`org/name\`); \`tunery data list\` shows the names that are known`,
  ],
  [
    'a truncated SafeTensors file',
    model({ 'model/model.safetensors': weights.subarray(0, weights.length - 100) }),
    1,
    `error[files/safetensors]: not a sound SafeTensors file: it lies at bytes 38912…39424 of the data, but the file has only 39388 of them (is it incomplete?)
  --> <here>/model/model.safetensors: model.layers.0.self_attn.v_proj.weight
  help: the file is damaged, incomplete or hostile; download or copy it again`,
  ],
  [
    'a SafeTensors header of a huge length',
    model({ 'model/model.safetensors': hostile('{}', 2 ** 52) }),
    1,
    `error[files/safetensors]: not a sound SafeTensors file: its header claims 4503599627370496 bytes
  --> <here>/model/model.safetensors
  help: the file is damaged, incomplete or hostile; download or copy it again`,
  ],
  [
    'SafeTensors tensors that overlap',
    model({ 'model/model.safetensors': hostile(`{"a":${floats(0, 40)},"b":${floats(24, 64)}}`) }),
    1,
    `error[files/safetensors]: not a sound SafeTensors file: it overlaps \`a\`
  --> <here>/model/model.safetensors: b
  help: the file is damaged, incomplete or hostile; download or copy it again`,
  ],
  [
    'weights that are not the configuration’s',
    model({
      'model/config.json': readFileSync(join(models, 'config.json'), 'utf8').replace(
        '"intermediate_size": 16',
        '"intermediate_size": 24',
      ),
    }),
    1,
    `error[models/wrong-shape]: its shape is [16, 16], and config.json asks for [24, 16]
  --> <here>/model: model.layers.0.mlp.gate_proj.weight
  help: config.json and the weights belong to different models; take both from one place`,
  ],
  [
    'broken JSON at row 381',
    {
      'run.yaml': yaml({ dataset: 'rows.json' }),
      'rows.json': `[\n${Array.from({ length: 400 }, (_, row) =>
        row === 381 ? '{"instruction": "Who?, "output": "I."}' : JSON.stringify(good),
      ).join(',\n')}\n]\n`,
    },
    1,
    `error[files/json]: not valid JSON: expected \`,\` or \`}\`, found \`output": "I."},\`
  --> rows.json:383:25 (row 381)
  help: mend the file there; often a quote, comma or bracket just before is missing or one too many`,
  ],
  [
    'a missing column',
    rows(good, { instruction: 'Who?', outputs: 'I am Tuna.' }),
    1,
    `error[data/missing-column]: the row has no column \`output\` (did you mean \`outputs\`?); it has \`instruction\`, \`outputs\`
  --> rows.jsonl:2 (row 1)
  help: mend the row, or name the right column under \`columns\` in dataset_info.json`,
  ],
  [
    'a column that no row has',
    {
      ...settings({ dataset: 'mine', dataset_dir: '.' }),
      'dataset_info.json': JSON.stringify({
        mine: { file_name: 'rows.jsonl', columns: { prompt: 'question', response: 'output' } },
      }),
    },
    1,
    `error[data/missing-column]: the row has no column \`question\`; it has \`instruction\`, \`output\`
  --> rows.jsonl:1 (row 0)
  help: mend the row, or name the right column under \`columns\` in dataset_info.json`,
  ],
  [
    'an empty data set',
    { 'run.yaml': yaml(), 'rows.jsonl': '' },
    1,
    `error[data/empty]: there are no rows to learn from: the file is empty
  --> rows.jsonl
  help: check the file, and \`max_samples\`, \`num_samples\` and \`val_size\``,
  ],
  [
    'a row whose roles are out of order',
    rows(
      { messages: [turn('user', 'Hi'), turn('assistant', 'Hello')] },
      { messages: [turn('user', 'Hi'), turn('assistant', 'Hello'), turn('assistant', 'So?')] },
    ),
    1,
    `error[data/role-order]: role \`assistant\` cannot follow \`assistant\`
  --> rows.jsonl:2 (row 1): messages[2].role
  help: user (or a tool’s result) and assistant (or a call) must take turns; mend or remove this row`,
  ],
  [
    'a row that is masked',
    settings({ cutoff_len: '1' }),
    1,
    `warning: \`cutoff_len: 1\` is outside the usual 16 to 131072
error[data/unsupervised]: no token of this row is learned: its replies lie beyond \`cutoff_len\`
  --> rows.jsonl:1 (row 0)
  help: raise \`cutoff_len\` (now 1) or mend the row; \`allow_unsupervised: true\` lets such rows pass`,
  ],
  [
    'all rows masked',
    settings({ cutoff_len: '1', allow_unsupervised: 'true' }),
    1,
    `warning: \`cutoff_len: 1\` is outside the usual 16 to 131072
error[data/all-masked]: no token of the only row is learned
  --> rows.jsonl
  help: look at them with \`tunery data tokens FILE.yaml\`; replies may be empty, or \`cutoff_len\` too short`,
  ],
  [
    'a template that raises',
    model(
      {
        'model/chat_template.jinja':
          "{% for m in messages %}{% if m.content | length < 3 %}{{ raise_exception('too short: ' + m.content) }}{% endif %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        'rows.jsonl': jsonl(good, { instruction: 'Hi', output: 'Hello.' }),
      },
      { template: 'null' },
    ),
    1,
    `error[data/template-raised]: the model’s chat template refuses this conversation: too short: Hi
  --> rows.jsonl:2 (row 1)
  help: change the row to what the template takes, or name another \`template\``,
  ],
];

describe('refused with one paragraph', () => {
  test.concurrent.for(cases)('%s', async ([, files, code, error]) => {
    const place = makePlace();
    try {
      write(place, files);
      await refuses(place, code, error);
    } finally {
      place.remove();
    }
  });
});

describe('beside an earlier run, which stays as it was', () => {
  const place = makePlace();
  beforeAll(async () => {
    write(place, settings({ max_steps: '4', save_steps: '2' }));
    expect(await place.run('train', 'run.yaml')).toMatchObject({ code: 0 });
  }, 60_000);
  afterAll(place.remove);

  const more: readonly [what: string, more: readonly string[], code: number, error: string][] = [
    [
      'a finished run, once more',
      [],
      1,
      `error[runs/folder-in-use]: \`output_dir\` is \`out\`, which already holds this very run, finished, and \`overwrite_output_dir\` is false
  --> out
  help: set \`overwrite_output_dir: true\` to move it to \`<output_dir>.bak-N\` and start anew, \`resume_from_checkpoint: true\` to go on from its last checkpoint, or choose another \`output_dir\``,
    ],
    [
      'the same with another rate',
      ['learning_rate=0.1'],
      1,
      `warning: \`learning_rate: 0.1\` is outside the usual 0.000001 to 0.001
error[runs/other-run]: the run in \`out\` is not this one: \`learning_rate\` was 0.00005 and is now 0.1
  --> out
  help: set \`overwrite_output_dir: true\` to move it to \`<output_dir>.bak-N\` and start anew, put back what was changed to go on from it (\`resume_from_checkpoint: true\`), or choose another \`output_dir\``,
    ],
    [
      'overwriting it with a run that cannot begin',
      ['overwrite_output_dir=true', 'lora_target=q_proj,k_porj'],
      1,
      `error[tuning/unknown-target]: \`lora_target\` names \`k_porj\`, and the model has no such module (did you mean \`k_proj\`?)
  help: it has \`q_proj\`, \`k_proj\`, \`v_proj\`, \`o_proj\`, \`gate_proj\`, \`up_proj\`, \`down_proj\`, \`lm_head\``,
    ],
    [
      'going on with another model',
      [`model_name_or_path=${random}&seed=3`, resume],
      1,
      `error[runs/other-run]: the run in \`out\` is not this one: the model was \`random:llama?hidden_size=16&intermediate_size=16&num_hidden_layers=1\` and is now \`random:llama?hidden_size=16&intermediate_size=16&num_hidden_layers=1&seed=3\`
  --> out
  help: put back what was changed, or train anew: take \`resume_from_checkpoint\` out and set \`overwrite_output_dir: true\`, which moves the earlier run to \`<output_dir>.bak-N\``,
    ],
    [
      'going on with another adapter shape',
      ['lora_rank=4', resume],
      1,
      `error[runs/other-run]: the run in \`out\` is not this one: \`lora_rank\` was 8 and is now 4; \`lora_alpha\` was 16 and is now 8
  --> out
  help: put back what was changed, or train anew: take \`resume_from_checkpoint\` out and set \`overwrite_output_dir: true\`, which moves the earlier run to \`<output_dir>.bak-N\``,
    ],
    [
      'going on from what is no checkpoint',
      ['resume_from_checkpoint=out/checkpoint-3'],
      1,
      `error[train/not-a-checkpoint]: \`out/checkpoint-3\` is not a complete checkpoint: there is no such folder
  --> out/checkpoint-3
  help: name a folder \`checkpoint-N\` of a run, or set \`resume_from_checkpoint: true\` for the newest complete one`,
    ],
    [
      'an adapter of another model',
      ['output_dir=new', ...wider, 'adapter_name_or_path=out'],
      1,
      `error[tuning/adapter-mismatch]: the adapter in \`out\` does not fit the model \`random:llama?hidden_size=32&intermediate_size=16&num_hidden_layers=1\`: lora_B of \`model.layers.0.mlp.down_proj\` is [16, 8], and 32 outputs at rank 8 ask for [32, 8]
  --> out/adapter_model.safetensors: base_model.model.model.layers.0.mlp.down_proj.lora_B.weight
  help: it was made for \`random:llama?hidden_size=16&intermediate_size=16&num_hidden_layers=1\`: set \`model_name_or_path\` to that, or \`adapter_name_or_path\` to an adapter of \`random:llama?hidden_size=32&intermediate_size=16&num_hidden_layers=1\``,
    ],
    [
      'an adapter that is none',
      ['output_dir=new', 'adapter_name_or_path=nowhere'],
      1,
      `error[tuning/no-adapter]: no adapter in \`nowhere\`: there is no such folder
  --> nowhere
  help: \`adapter_name_or_path\` takes a folder with adapter_config.json and adapter_model.safetensors: the \`output_dir\` of a finished LoRA run, a \`checkpoint-N\` in it, or what PEFT saved`,
    ],
  ];
  test.for(more)('%s', ([, args, code, error]) => refuses(place, code, error, ...args));

  test('data that changed under a resume', async () => {
    write(place, { 'rows.jsonl': jsonl({ ...good, output: 'I am someone else.' }) });
    await refuses(
      place,
      1,
      `note: rows.jsonl: the rows changed
error[runs/other-run]: the run in \`out\` is not this one: the data of \`rows.jsonl\` changed: its rows, the template, the tokenizer, or a key that makes them (<digest> before, <digest> now)
  --> out
  help: put back what was changed, or train anew: take \`resume_from_checkpoint\` out and set \`overwrite_output_dir: true\`, which moves the earlier run to \`<output_dir>.bak-N\``,
      resume,
    );
  });
});

/** A run that began and failed: its folder says so, and holds nothing that looks like a result. */
function failed(folder: string): void {
  const { outcome } = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8'));
  expect(outcome).toBe('failed');
  expect(
    readdirSync(folder).filter((name) => /adapter|checkpoint|lock|reserve/.test(name)),
  ).toEqual([]);
}

test('a loss that is no number', async () => {
  const place = makePlace();
  try {
    write(place, settings({ learning_rate: '1e38', max_grad_norm: '0', max_steps: '3' }));
    await tells(
      place,
      1,
      `warning: \`learning_rate: 1e38\` is outside the usual 0.000001 to 0.001
error[train/non-finite]: the loss of step 2 is not a number
  --> rows.jsonl:1 (row 0)
  help: the likely cause is a learning rate that is too high (6.67e+37 at this step): lower \`learning_rate\`, or raise \`warmup_steps\`; it came from rows.jsonl:1 (row 0)`,
    );
    failed(place.at('out'));
  } finally {
    place.remove();
  }
});

test('a disk without space', async ({ skip }) => {
  const place = makePlace();
  const disk = smallDisk(place.at('disk'), 128);
  try {
    if (!disk) skip(refused);
    write(place, settings({ output_dir: 'disk/out' }));
    await tells(
      place,
      1,
      `error[files/disk-full]: no space left to write \`disk/out/checkpoint-2\`, <some kB> free
  --> disk/out/checkpoint-2
  help: free space, then run it again: no checkpoint had been written yet`,
    );
    failed(place.at('disk', 'out'));
  } finally {
    disk?.unmount();
    place.remove();
  }
});
