import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import {
  openSafetensors,
  openWeights,
  type TensorToWrite,
  writeSafetensors,
} from '../files/safetensors.ts';
import { openModel } from './source.ts';
import { weightsOfFolder } from './weights.ts';

const golden = fileURLToPath(new URL('../../tests/golden/bnb/nf4-nested/', import.meta.url));
const place = mkdtempSync(join(tmpdir(), 'tunery-bnb-'));
afterAll(() => rmSync(place, { recursive: true, force: true }));

const weight = 'model.layers.0.mlp.up_proj.weight';
const state = `${weight}.quant_state.bitsandbytes__nf4`;

/** The golden model with its tensors changed. */
function changed(name: string, change: (tensors: Map<string, TensorToWrite>) => void) {
  const folder = join(place, name);
  mkdirSync(folder);
  const { tensors } = openSafetensors(join(golden, 'model.safetensors'));
  const all = new Map([...tensors].map(([name, tensor]) => [name, { name, ...tensor }]));
  change(all);
  writeSafetensors(join(folder, 'model.safetensors'), [...all.values()]);
  copyFileSync(join(golden, 'config.json'), join(folder, 'config.json'));
  return weightsOfFolder(folder, openWeights(folder));
}

const withState = (change: (said: Record<string, unknown>) => void) => {
  return (tensors: Map<string, TensorToWrite>): void => {
    const tensor = tensors.get(state)!;
    const said = JSON.parse(new TextDecoder().decode(tensor.bytes as Uint8Array));
    change(said);
    const bytes = new TextEncoder().encode(JSON.stringify(said));
    tensors.set(state, { ...tensor, bytes, shape: [bytes.length] });
  };
};

test('parts of a matrix are no weights of their own', () => {
  const weights = changed('whole', () => {});
  const { type, shape } = weights.get(weight);
  expect([type, shape]).toEqual(['NF4', [400, 48]]);
  expect(weights.names().every((name) => /^(model|lm_head).*\.weight$/.test(name))).toBe(true);
});

test.each([
  ['blocks of another size', withState((said) => Object.assign(said, { blocksize: 128 })), /128/],
  [
    'another shape',
    withState((said) => Object.assign(said, { shape: [400, 50] })),
    /400 rows of 50/,
  ],
  ['no shape', withState((said) => delete said['shape']), /does not describe a matrix/],
  ['scales that are missing', (all) => all.delete(`${weight}.nested_absmax`), /nested_absmax/],
  [
    'values of another kind',
    (all) => {
      const name = `${weight}.quant_map`;
      all.set(name, { ...all.get(name)!, bytes: new Uint8Array(64) });
    },
    /not the values of NF4/,
  ],
] as [string, (all: Map<string, TensorToWrite>) => void, RegExp][])('%s', (name, change, said) => {
  const weights = changed(name, change);
  expect(() => weights.get(weight)).toThrow(said);
});

test('a model that another method has quantized is named', async () => {
  const folder = join(place, 'gptq');
  mkdirSync(folder);
  copyFileSync(join(golden, 'model.safetensors'), join(folder, 'model.safetensors'));
  const config = { model_type: 'llama', quantization_config: { quant_method: 'gptq', bits: 4 } };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  await expect(openModel(folder)).rejects.toThrow('its weights were quantized with gptq');
});
