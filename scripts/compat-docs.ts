/**
 * @file `docs/compat.md`: every argument of LLaMA-Factory with its answer, every example file with its verdict, and what
 * to type in place of its commands. Made from the settings; the names are those of tests/fixtures/llamafactory-*.json.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { canonicalKey } from '../src/config/answer.ts';
import { checkEntries, verdictLine } from '../src/config/check.ts';
import { formerNames, knownKeys } from '../src/config/known-keys.ts';
import { aliases, settings } from '../src/config/run-config.ts';
import type { Entry } from '../src/config/source.ts';
import { isPlannedForTorch } from '../src/config/torch-engine.ts';

const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../tests/fixtures/${name}`, import.meta.url), 'utf8'));
const Values = z.record(z.string(), z.unknown());
const args = z.record(z.string(), Values).parse(fixture('llamafactory-args.json'));
const examples = z
  .array(z.object({ path: z.string(), kind: z.string(), values: Values }))
  .parse(fixture('llamafactory-examples.json'));

const titles: Readonly<Record<string, string>> = {
  model: 'Model',
  data: 'Data',
  finetuning: 'Fine-tuning',
  training: 'Training: its own',
  training_hf: 'Training: those of transformers',
  generating: 'Generation',
  evaluation: 'Evaluation on benchmarks',
  megatron_bridge: 'Megatron bridge',
  kt_runtime: 'KTransformers',
};

const commands: readonly (readonly [there: string, here: string])[] = [
  ['`llamafactory-cli train FILE.yaml [key=value …]`', '`tunery train FILE.yaml [key=value …]`'],
  [
    '`llamafactory-cli train --stage sft …`, `python src/train.py --stage sft …`',
    '`tunery train --stage sft …`',
  ],
  [
    '`python src/train_bash.py --do_predict …`, `llamafactory-cli train` with `do_predict: true`',
    '`tunery train`, or `tunery predict FILE.yaml`; BLEU and ROUGE are not computed',
  ],
  [
    '`python scripts/vllm_infer.py …`',
    '`tunery predict FILE.yaml infer_backend=vllm vllm_python=…`',
  ],
  [
    '`llamafactory-cli export FILE.yaml`, `python src/export_model.py --…`',
    '`tunery export FILE.yaml`, `tunery export --…`',
  ],
  ['`llamafactory-cli chat FILE.yaml`, `python src/cli_demo.py --…`', '`tunery chat FILE.yaml`'],
  ['`llamafactory-cli api FILE.yaml`, `python src/api.py --…`', '`tunery api FILE.yaml`'],
  [
    '`llamafactory-cli eval FILE.yaml`, `python src/evaluate.py --task …`',
    'not yet: `tunery train` with `do_eval: true` and `eval_dataset` measures loss and perplexity',
  ],
  [
    '`llamafactory-cli webui`, `llamafactory-cli webchat`, `python src/webui.py`',
    'not yet: `tunery runs watch`, `tunery chat`',
  ],
  ['`llamafactory-cli env`, `version`, `help`', '`tunery env`, `tunery version`, `tunery help`'],
  [
    '`torchrun`, `accelerate launch`, `deepspeed` before the command',
    'leave them out: `engine: torch` starts its processes itself (`nproc_per_node`, `nnodes`), and accelerate’s file goes into `fsdp_config`',
  ],
  [
    '`FORCE_TORCHRUN=1`',
    'the same, for `tunery train`: the torch engine, with `NPROC_PER_NODE`, `NNODES`, `NODE_RANK`, `MASTER_ADDR`, `MASTER_PORT`',
  ],
];

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const code = (value: unknown): string =>
  value === null || value === undefined || value === ''
    ? ''
    : `\`${cell(JSON.stringify(value).replace(/^"|"$/g, ''))}\``;

const place = { file: 'example.yaml', line: 1, column: 1 };
const entries = (values: z.infer<typeof Values>): Entry[] =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value,
    from: 'file',
    keyPlace: place,
    valuePlace: place,
  }));

/** The answer to an argument, and its sentence. */
function answerOf(name: string): readonly [word: string, says: string] {
  const key = canonicalKey(name);
  const setting = settings.get(key);
  if (setting) {
    const { help, accepted = {}, later = {}, laterIn = {} } = setting.field.notes;
    const on = (value: string): string => (value === '*' ? 'any other value' : `\`${value}\``);
    const said = [
      help,
      ...Object.entries(accepted).map(([value, says]) => `${on(value)} is accepted: ${says}.`),
      ...Object.entries(later).map(
        ([value, says]) =>
          `${on(value)} is ${isPlannedForTorch(key, value) ? 'planned with `engine: torch`' : 'not supported yet'}: ${says}.`,
      ),
      ...Object.entries(laterIn).flatMap(([command, values]) =>
        Object.entries(values).map(
          ([value, says]) => `${on(value)} is not supported yet in \`tunery ${command}\`: ${says}.`,
        ),
      ),
    ];
    const onlyAccepted = accepted['*'] !== undefined || accepted['true'] !== undefined;
    return [onlyAccepted ? 'accepted' : 'working', said.join(' ')];
  }
  const known = knownKeys.get(key);
  if (!known) throw new Error(`${name} has no answer`);
  if (known.answer === 'accepted') return ['accepted', known.says];
  return [isPlannedForTorch(key, null) ? 'planned (`engine: torch`)' : 'not yet', known.says];
}

export function compatDocs(): string {
  const lines = [
    '# LLaMA-Factory’s commands, arguments and files',
    '',
    'Generated by `npm run generate` from the settings. A LLaMA-Factory YAML, its `data/` folder and its command lines work here; this page',
    'says what becomes of each of them. `tunery config check FILE` says it of one file. No key is ever dropped in silence: it is *working*,',
    '*accepted* (with one line that says what happens instead), *planned*, *not yet* (it stops, with the alternative) or unknown (it stops, with',
    'a did-you-mean). A value that says "off", or LLaMA-Factory’s own default, always passes.',
    '',
    'What its named templates and formats do that a user would call a fault is in [reference/llama-factory-faults.md](reference/llama-factory-faults.md).',
    '',
    '## Commands',
    '',
    '| there | here |',
    '| --- | --- |',
    ...commands.map(([there, here]) => `| ${cell(there)} | ${cell(here)} |`),
    '',
    '## Example files',
    '',
    'The files of its `examples/` for training, inference and export, by their settings alone: a model of a family that is not there, or',
    'rows with media, are told when the model or the data are opened.',
    '',
    '| file | verdict |',
    '| --- | --- |',
  ];
  for (const { path, kind, values } of examples) {
    if (!['train', 'infer', 'export'].includes(kind)) continue;
    lines.push(`| \`${path}\` | ${cell(verdictLine(checkEntries(entries(values))))} |`);
  }
  for (const [group, defaults] of Object.entries(args)) {
    lines.push(
      '',
      `## ${titles[group] ?? group}`,
      '',
      '| argument | default there | answer | what happens |',
      '| --- | --- | --- | --- |',
    );
    for (const [name, usual] of Object.entries(defaults)) {
      const [word, says] = answerOf(name);
      lines.push(`| \`${name}\` | ${code(usual)} | ${word} | ${cell(says)} |`);
    }
  }
  lines.push('', '## Former names', '', '| name | is now | answer |', '| --- | --- | --- |');
  for (const [former, key] of [...aliases, ...formerNames].sort()) {
    lines.push(`| \`${former}\` | \`${key}\` | ${answerOf(key)[0]} |`);
  }
  return `${lines.join('\n')}\n`;
}
