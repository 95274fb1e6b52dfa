import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../config/load.ts';
import { trainedModel } from './trained-model.ts';

let place: string;
let out: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'tunery-trained-'));
  out = join(place, 'out');
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const choose = (...settings: readonly string[]) => {
  const { job, origins } = loadConfig({
    command: 'chat',
    overrides: ['model_name_or_path=base', ...settings],
  });
  const given = (key: string) =>
    origins.get(key)?.kind !== 'default' && origins.get(key)?.kind !== 'derived';
  const { model, note } = trainedModel(job, given);
  return { model: model.model_name_or_path, adapters: model.adapter_name_or_path, note };
};

const write = (...names: readonly string[]): void => {
  for (const name of names) {
    const path = join(out, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '');
  }
};

test('the adapter of a finished run', () => {
  write('adapter_model.safetensors', 'checkpoint-5/adapter_model.safetensors');
  const chosen = choose(`output_dir=${out}`, 'dataset=identity');
  expect(chosen).toMatchObject({ model: 'base', adapters: [out] });
  expect(chosen.note).toBe(`with the adapter that was trained in ${out}`);
});

test.each(['model.safetensors', 'model.safetensors.index.json'])('a whole model: %s', (name) => {
  write(name);
  const chosen = choose(`output_dir=${out}`, 'finetuning_type=full');
  expect(chosen).toMatchObject({ model: out, adapters: [] });
  expect(chosen.note).toContain(`the model that was trained in ${out}`);
});

test('the base model, where nothing is there yet or the run has not finished', () => {
  expect(choose(`output_dir=${out}`)).toEqual({
    model: 'base',
    adapters: [],
    note: `nothing has been trained in ${out} yet: this is the base model`,
  });
  // Of the other kind: that was another run.
  write('model.safetensors');
  expect(choose(`output_dir=${out}`)).toMatchObject({ model: 'base', adapters: [] });
});

test('the adapter that is named wins, and settings of no training stay as they are', () => {
  write('adapter_model.safetensors');
  expect(choose(`output_dir=${out}`, 'adapter_name_or_path=mine')).toEqual({
    model: 'base',
    adapters: ['mine'],
    note: undefined,
  });
  expect(choose()).toEqual({ model: 'base', adapters: [], note: undefined });
});
