/** Training that goes on with an adapter: it starts from the adapter's numbers, and stays the adapter that it is. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { openSafetensors } from '../../src/files/safetensors.ts';
import { readEvents } from '../../src/runs/events-file.ts';
import { tunings } from '../../src/tuning/index.ts';
import { readAdapter } from '../../src/tuning/peft-adapter.ts';
import { buildGolden, farthest, logitsOf, openGolden, writeGoldenAdapter } from './golden-model.ts';
import { succeeds, tunery } from './program.ts';
import { tuningSettings } from './settings.ts';

let place: string;
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'tunery-continue-'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

const json = (...path: readonly string[]) => JSON.parse(readFileSync(join(place, ...path), 'utf8'));

async function goOn(
  folders: readonly string[],
  changes: Parameters<typeof tuningSettings>[0] = {},
) {
  const golden = openGolden('llama');
  const { model, memory, family } = await buildGolden(golden);
  const tuned = tunings['lora'].apply(model, {
    settings: tuningSettings(changes),
    memory,
    seed: 0,
    adapterTargets: family.adapterTargets,
    baseModel: 'mine',
    adapters: folders.map(readAdapter),
  });
  return { golden, tuned, logits: logitsOf(model, memory, golden.ids) };
}

test('the last adapter learns on from its own numbers, under PEFT’s names', async () => {
  const folder = writeGoldenAdapter(openGolden('llama'), join(place, 'a'), {
    use_rslora: true,
    lora_alpha: 3,
  });
  const { golden, tuned, logits } = await goOn([folder]);
  expect(farthest(logits, golden.floats('lora.logits.0'))).toBeLessThan(1e-4);
  const names = golden.names
    .filter((name) => name.startsWith('lora.base_model'))
    .map((name) => name.slice(5));
  expect([...tuned.parameters.keys()].sort()).toEqual(names.sort());
  for (const [name, { tensor, trainable }] of tuned.parameters) {
    expect(trainable).toBe(true);
    expect(farthest(tensor.read(), golden.floats(`lora.${name}`)), name).toBe(0);
  }
  const saved = JSON.parse(tuned.files['adapter_config.json']);
  expect(saved).toMatchObject({
    use_rslora: true,
    lora_alpha: 3,
    r: 4,
    base_model_name_or_path: 'mine',
  });
  expect(tuned.notes).toEqual([]);
});

test('earlier ones are merged, and that is said; so is an adapter of fewer layers than asked for', async () => {
  const golden = openGolden('llama');
  const base = writeGoldenAdapter(golden, join(place, 'base'));
  const few = writeGoldenAdapter(
    golden,
    join(place, 'few'),
    { target_modules: ['q_proj'], lora_alpha: 0 },
    (t) => t.filter(({ name }) => name.includes('q_proj')),
  );
  const { tuned, logits } = await goOn([base, few]);
  expect(farthest(logits, golden.floats('lora.logits.0'))).toBeLessThan(1e-4);
  expect([...tuned.parameters.keys()].every((name) => name.includes('q_proj'))).toBe(true);
  const notes = (tuned.notes ?? []).map(({ code, message }) => `${code}: ${message}`);
  expect(notes[0]).toContain('tuning/merged-first');
  expect(notes[1]).toMatch(/tuning\/fewer-targets: .*has no `k_proj`.*goes on with its `q_proj`/);
});

test('whole weights of the adapter learn on too', async () => {
  const golden = openGolden('llama');
  const values = golden.floats('model.embed_tokens.weight').map((v) => v * 2);
  const name = 'base_model.model.model.embed_tokens.weight';
  const folder = writeGoldenAdapter(
    golden,
    join(place, 'whole'),
    { modules_to_save: ['embed_tokens'] },
    (t) => [...t, { name, dtype: 'F32', shape: [97, 32], bytes: new Uint8Array(values.buffer) }],
  );
  const { tuned } = await goOn([folder]);
  expect(farthest(tuned.parameters.get(name)!.tensor.read(), values)).toBe(0);
  expect(tuned.parameters.get(name)!.trainable).toBe(true);
});

describe('settings', () => {
  const load = (...overrides: string[]) =>
    loadConfig({
      command: 'train',
      overrides: [
        'model_name_or_path=m',
        'dataset=d',
        `adapter_name_or_path=${join(place, 'set')}`,
        ...overrides,
      ],
    });
  beforeAll(() => {
    writeGoldenAdapter(openGolden('llama'), join(place, 'set'), { lora_dropout: 0.1 });
  });

  test('follow the adapter where they are not set', () => {
    const { job, origins } = load();
    expect(job.tuning).toMatchObject({ lora_rank: 4, lora_alpha: 6, lora_dropout: 0.1 });
    expect(job.tuning.lora_target).toContain('q_proj');
    expect(origins.get('lora_rank')).toEqual({ kind: 'derived', from: ['adapter_name_or_path'] });
    expect(load('lora_rank=4', 'lora_target=all').job.tuning.lora_rank).toBe(4);
  });

  test('that say otherwise are a conflict that names both keys', () => {
    expect(() => load('lora_rank=16')).toThrow(
      '`lora_rank`, `adapter_name_or_path`: `lora_rank: 16` is set, and the adapter that training goes on with has 4',
    );
    expect(() => load('lora_target=q_proj,v_proj')).toThrow('`lora_target: q_proj,v_proj` is set');
    expect(() => load('lora_alpha=16')).toThrow('has 6');
  });
});

describe('runs', () => {
  const random = 'random:llama?hidden_size=32&intermediate_size=32&num_hidden_layers=1';
  const run = (out: string, ...more: string[]) =>
    succeeds(
      'train',
      `model_name_or_path=${random}`,
      `dataset=${join(place, 'rows.jsonl')}`,
      `eval_dataset=${join(place, 'rows.jsonl')}`,
      'template=chatml',
      'per_device_train_batch_size=2',
      'max_steps=3',
      'learning_rate=0.01',
      'lr_scheduler_type=constant',
      `output_dir=${join(place, out)}`,
      ...more,
    );
  const evalLoss = async (out: string, ...more: string[]): Promise<number> => {
    await run(out, 'do_train=false', 'do_eval=true', ...more);
    return json(out, 'eval_results.json').eval_loss;
  };

  beforeAll(async () => {
    const rows = [
      { instruction: 'Who are you?', output: 'I am Tuna.' },
      { instruction: 'Count.', output: 'One, two, three.' },
    ];
    writeFileSync(join(place, 'rows.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
    await run(
      'first',
      'lora_rank=3',
      'lora_target=q_proj,down_proj',
      'additional_target=embed_tokens',
    );
  });

  test('go on from where the first one ended, and an evaluation alone uses the adapter', {
    timeout: 120_000,
  }, async () => {
    const adapter = `adapter_name_or_path=${join(place, 'first')}`;
    const base = await evalLoss('without');
    const adapted = await evalLoss('with', adapter);
    expect(adapted).toBeLessThan(base - 0.01);
    await run('second', adapter);
    const steps = readEvents(join(place, 'second', 'events.jsonl')).flatMap((event) =>
      event.type === 'step-end' ? [event.loss] : [],
    );
    expect(steps[0]).toBeCloseTo(adapted, 5);
    expect(await evalLoss('twice', `adapter_name_or_path=${join(place, 'second')}`)).toBeLessThan(
      adapted,
    );

    const config = json('second', 'adapter_config.json');
    expect(config).toMatchObject({
      r: 3,
      modules_to_save: ['embed_tokens'],
      base_model_name_or_path: random,
    });
    expect(config).toEqual(json('first', 'adapter_config.json'));
    const names = (out: string) =>
      [...openSafetensors(join(place, out, 'adapter_model.safetensors')).tensors.keys()].sort();
    expect(names('second')).toEqual(names('first'));
    expect(json('first', 'run.json').fingerprint.adapter).toBeNull();
    expect(json('second', 'run.json').fingerprint.adapter).toMatch(/^[0-9a-f]{64}$/);
  });

  test('refuse an adapter of another model before anything is written', async () => {
    const other = writeGoldenAdapter(openGolden('yi-like'), join(place, 'other'));
    const ended = await tunery(
      'train',
      `model_name_or_path=${random}`,
      `dataset=${join(place, 'rows.jsonl')}`,
      'template=chatml',
      `adapter_name_or_path=${other}`,
      `output_dir=${join(place, 'never')}`,
    );
    expect(ended.code).toBe(1);
    expect(ended.err).toContain('error[tuning/adapter-mismatch]');
    expect(() => readFileSync(join(place, 'never', 'run.json'))).toThrow();
  });
});
