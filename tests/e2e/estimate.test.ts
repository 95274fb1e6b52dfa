/** @file What a training takes, by the real program: foretold, found, profiled, and told at its end. */
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { RunEvent } from '../../src/core/events.ts';
import type { Estimate } from '../../src/estimate/estimate.ts';
import { makePlace, type Place } from './cli.ts';

vi.setConfig({ testTimeout: 300_000 });

const identity = fileURLToPath(new URL('../../data/identity.json', import.meta.url));
const model = 'random:llama?hidden_size=64&intermediate_size=96&num_hidden_layers=2&vocab_size=300';
const data = ['stage=sft', 'dataset=identity.json', 'cutoff_len=256'];
const settings = [`model_name_or_path=${model}`, ...data, 'per_device_train_batch_size=4'];

let place: Place;
beforeAll(() => {
  place = makePlace();
  copyFileSync(identity, place.at('identity.json'));
});
afterAll(() => place.remove());

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

/** Slices of one track lie beside or inside each other: what a viewer draws as rows. */
function expectNested(slices: readonly { readonly ts: number; readonly dur: number }[]): void {
  const open: number[] = [];
  const first = (a: { ts: number; dur: number }, b: { ts: number; dur: number }): number =>
    a.ts - b.ts || b.dur - a.dur;
  for (const { ts, dur } of slices.toSorted(first)) {
    while (open.length > 0 && (open.at(-1) ?? 0) <= ts + 1e-3) open.pop();
    const outer = open.at(-1);
    if (outer !== undefined) expect(ts + dur).toBeLessThanOrEqual(outer + 1e-3);
    open.push(ts + dur);
  }
}

test('estimate: memory by class and time, for people and for programs', async () => {
  const told = await place.run('estimate', ...settings, 'num_train_epochs=1');
  expect(told.out).toMatch(/^memory {3}\d+ MB at the peak$/m);
  expect(told.out).toMatch(/^ {2}process .* Node, the program, JavaScript$/m);
  expect(told.out).toMatch(/^all .* for 23 steps$/m);
  const { out } = await place.run('estimate', ...settings, '--json');
  const said = JSON.parse(out) as Estimate;
  expect(sum(Object.values(said.memory.kinds))).toBe(said.memory.total);
  expect(said.parameters.trainable).toBeLessThan(said.parameters.all);
  expect(said.step.seconds).toBeGreaterThan(0);
});

test('estimate --gpu: memory of each rank, what fits, and what to set', async () => {
  const shape =
    'random:llama?hidden_size=4096&intermediate_size=11008&num_hidden_layers=32&num_attention_heads=32&num_key_value_heads=32&head_dim=128&vocab_size=32000';
  const job = [
    `model_name_or_path=${shape}`,
    'finetuning_type=full',
    'bf16=true',
    'per_device_train_batch_size=4',
  ];
  const told = await place.run('estimate', ...job, 'cutoff_len=2048', '--gpu', '8xH100-80GB');
  expect(told.code).toBe(0);
  expect(told.out).toMatch(/^weights {2}6\.74 B, of which 6\.74 B learn$/m);
  expect(told.out).toMatch(/^DDP \(ZeRO 0\) .* no$/m);
  expect(told.out).toMatch(/^FSDP2 .* fits$/m);
  expect(told.out).toMatch(/^engine: torch\nnproc_per_node: 8\n/m);
  const none = await place.run('estimate', ...job, '--gpu', '2GB', '--json');
  expect(none.code).toBe(1);
  expect(JSON.parse(none.out)).toMatchObject({ gpus: { count: 1 }, recommended: null });
  const bad = await place.run('estimate', ...job, '--gpu', '8xFoo');
  expect(bad.code).toBe(2);
  expect(bad.err).toMatch(/error\[cli\/bad-gpu\]: `--gpu 8xFoo` does not say/);
});

test('train tells what was predicted beside what it took, and writes a profile', async () => {
  const { out, code } = await place.run(
    ...['train', ...settings, 'max_steps=4', 'output_dir=out', '--profile', 'profile.json'],
    '--json',
  );
  expect(code).toBe(0);
  const events = out
    .trim()
    .split('\n')
    .map((line) => RunEvent.parse(JSON.parse(line)));
  const of = <Type extends RunEvent['type']>(type: Type) =>
    events.find((event): event is Extract<RunEvent, { type: Type }> => event.type === type);
  const [predicted, measured, profile] = [of('estimate'), of('account'), of('profile')];
  expect(predicted && measured && profile).toBeTruthy();
  if (!predicted || !measured || !profile) return;
  for (const told of [predicted, measured]) {
    expect(sum(Object.values(told.memory_kinds))).toBe(told.memory);
  }
  // The pools are foretold to the byte; what JavaScript holds is not.
  const { process: _, ...foretold } = predicted.memory_kinds;
  expect(measured.memory_kinds).toMatchObject(foretold);
  const kept = JSON.parse(readFileSync(place.at('out', 'account.json'), 'utf8'));
  expect(kept).toMatchObject({ predicted: { memory: predicted.memory } });

  expect(profile.steps).toBe(2);
  const calls = new Map(profile.ops.map(({ name, calls }) => [name, calls]));
  expect(calls.get('lora-linear')).toBe(2 * 7 * (calls.get('micro-batch') ?? 0));
  const trace = JSON.parse(readFileSync(place.at('profile.json'), 'utf8'));
  type Event = { ph: string; name: string; tid: number; ts: number; dur: number };
  const slices = (trace.traceEvents as Event[]).filter(({ ph }) => ph === 'X');
  expect(slices.filter(({ name }) => name.startsWith('step'))).toHaveLength(2);
  for (const tid of new Set(slices.map(({ tid }) => tid))) {
    expectNested(slices.filter((slice) => slice.tid === tid));
  }
});

test('a run that goes on predicts the steps that are left, as it measures them', async () => {
  const run = ['train', ...settings, 'output_dir=onward', '--json'];
  expect((await place.run(...run, 'max_steps=3')).code).toBe(0);
  const { out, code } = await place.run(...run, 'max_steps=5', 'resume_from_checkpoint=true');
  expect(code).toBe(0);
  const lines = out.trim().split('\n');
  const events = lines.map((line) => RunEvent.parse(JSON.parse(line)));
  const predicted = events.find((event) => event.type === 'estimate');
  expect(events.filter(({ type }) => type === 'step-end')).toHaveLength(2);
  expect(predicted?.seconds).toBeCloseTo(2 * (predicted?.step_seconds ?? 0));
});

test('fit: settings that fit, and the lines to use', async () => {
  const told = await place.run('fit', '--memory', '2GB', '--model', model, ...data);
  expect(told.code).toBe(0);
  expect(told.out).toMatch(/^fits into 2\.0 GB, what gives up least first:$/m);
  expect(told.out).toMatch(/# to use\nfinetuning_type: full\n/);
  const none = await place.run('fit', '--memory', '10MB', '--model', model, ...data);
  expect(none.code).toBe(1);
  expect(none.out).toMatch(/^does not fit, at its smallest:$/m);
  const bad = await place.run('fit', '--memory', 'much', '--model', model);
  expect(bad.code).toBe(2);
  expect(bad.err).toContain('much');
});

test('what a training refuses, estimate and fit refuse', async () => {
  const conflict = ['quantization_bit=4', 'finetuning_type=full'];
  for (const [command, ...options] of [['estimate'], ['fit', '--memory', '2GB']] as const) {
    const { code, err } = await place.run(command, ...options, ...settings, ...conflict);
    expect(code).toBe(2);
    expect(err).toContain('error[config/conflict]: `quantization_bit`, `finetuning_type`');
  }
  const without = await place.run('fit', '--memory', '2GB', ...data);
  expect(without.err).toContain('`tunery fit` needs `model_name_or_path`');
});

test('a profile that cannot be written is told before the first step', async () => {
  mkdirSync(place.at('folder'));
  const { code, out, err } = await place.run(
    ...['train', ...settings, 'max_steps=2', 'output_dir=unwritten', '--profile', 'folder'],
  );
  expect(code).toBe(1);
  expect(err).toContain('error[files/not-writable]');
  expect(out).not.toContain('step 1');
});
