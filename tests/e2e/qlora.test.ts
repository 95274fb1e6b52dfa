/** A quantized base from YAML to an adapter that is talked to, gone on with and merged. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSafetensors } from '../../src/files/safetensors.ts';
import { makePlace, type Place } from './cli.ts';

let place: Place;
beforeAll(() => {
  place = makePlace();
  const rows = Array.from({ length: 8 }, () => ({ instruction: 'Hi', output: 'aaaaaaaa' }));
  writeFileSync(place.at('rows.json'), JSON.stringify(rows));
});
afterAll(() => place.remove());

const model = 'random:llama?hidden_size=96&intermediate_size=128&num_hidden_layers=2';

async function run(command: string, ...settings: readonly string[]) {
  const { code, out, err } = await place.run(command, ...settings);
  expect(code, err).toBe(0);
  return { out, err };
}

/** Of each step, by its number; a run that goes on adds to them. */
const losses = (folder: string): Map<number, number> =>
  new Map(
    readFileSync(place.at(folder, 'events.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type === 'step-end')
      .map(({ step, loss }) => [step, loss]),
  );

const base: readonly string[] = [
  `model_name_or_path=${model}`,
  'dataset=rows.json',
  'learning_rate=0.05',
  'lr_scheduler_type=constant',
  'per_device_train_batch_size=4',
  'logging_steps=1',
];

test('4 bits: the adapter learns, resumes bit for bit, is talked to, and merges into the full base', {
  timeout: 240_000,
}, async () => {
  const yaml = [
    `model_name_or_path: ${JSON.stringify(model)}`,
    'stage: sft',
    'do_train: true',
    'finetuning_type: lora',
    'quantization_bit: 4',
    'quantization_method: bnb # choices: bnb, gguf',
    'quantization_type: nf4',
    'double_quantization: true',
    'dataset: rows.json',
    'output_dir: out',
    'learning_rate: 5.0e-2',
    'lr_scheduler_type: constant',
    'per_device_train_batch_size: 4',
    'logging_steps: 1',
    'max_steps: 6',
    'save_steps: 3',
  ];
  writeFileSync(place.at('qlora.yaml'), `${yaml.join('\n')}\n`);
  await run('train', 'qlora.yaml');
  const steps = losses('out');
  expect(steps.get(6)).toBeLessThan(0.8 * steps.get(1)!);

  await run('train', 'qlora.yaml', 'output_dir=again', 'max_steps=3');
  await run('train', 'qlora.yaml', 'output_dir=again', 'resume_from_checkpoint=true');
  const adapter = (folder: string) => readFileSync(place.at(folder, 'adapter_model.safetensors'));
  expect(adapter('again').equals(adapter('out'))).toBe(true);

  const other = await place.run(
    ...['train', 'qlora.yaml', 'output_dir=again', 'resume_from_checkpoint=true', 'max_steps=8'],
    'quantization_type=fp4',
  );
  expect(other.err).toMatch(/quantization_type/);

  const said = await run('export', 'qlora.yaml', 'export_dir=merged');
  expect(said.err).toContain('an export is written from the full weights');
  expect(said.out).toMatch(/the adapter merged into 14/);
  const merged = openSafetensors(place.at('merged', 'model.safetensors'));
  expect([...merged.tensors.values()].every(({ dtype }) => dtype === 'F32')).toBe(true);
});

test.each([
  'quantization_bit=8',
  'quantization_bit=4 quantization_type=fp4 double_quantization=false bf16=true',
])('%s learns', { timeout: 240_000 }, async (settings) => {
  const more = ['output_dir=other', 'max_steps=6', 'overwrite_output_dir=true'];
  await run('train', ...base, ...settings.split(' '), ...more);
  const steps = losses('other');
  expect(steps.get(6)).toBeLessThan(0.9 * steps.get(1)!);
});

test('whole numbers have the weights of 8 bits, and round what meets them', {
  timeout: 240_000,
}, async () => {
  const lossWith = async (setting: string): Promise<number> => {
    await run(
      'train',
      ...base,
      setting,
      'output_dir=one',
      'max_steps=1',
      'overwrite_output_dir=true',
    );
    return losses('one').get(1)!;
  };
  const [expanded, whole] = [
    await lossWith('quantization_bit=8'),
    await lossWith('base_compute=int8'),
  ];
  expect(whole).not.toBe(expanded);
  expect(Math.abs(whole / expanded - 1)).toBeLessThan(1e-2);
});

test('what a quantized base excludes is said with both keys', async () => {
  const { code, err } = await place.run(
    ...['train', ...base, 'output_dir=no', 'quantization_bit=4', 'finetuning_type=full'],
  );
  expect(code).not.toBe(0);
  expect(err).toContain(
    '`quantization_bit: 4` freezes the base, and `finetuning_type: full` trains it',
  );
});
