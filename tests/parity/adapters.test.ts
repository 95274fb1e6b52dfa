/** PEFT's adapters in our models: the numbers of PEFT, and everything that does not fit refused by name. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatError, TuneryError } from '../../src/core/errors.ts';
import type { TensorToWrite } from '../../src/files/safetensors.ts';
import { attachAdapters } from '../../src/tuning/attach-adapters.ts';
import { adapterForPeft } from '../../src/tuning/peft-adapter.ts';
import {
  buildGolden,
  farthest,
  goldenCases,
  logitsOf,
  openGolden,
  writeGoldenAdapter,
} from './golden-model.ts';

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'tunery-adapters-'));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

type Golden = ReturnType<typeof openGolden>;

/** Logits of a case with these folders on it. */
async function withAdapters(
  golden: Golden,
  folders: readonly string[],
  dtype: 'f32' | 'bf16' = 'f32',
) {
  const { model, memory } = await buildGolden(golden, dtype);
  attachAdapters(model, folders, { memory, modelName: 'the-model' });
  return logitsOf(model, memory, golden.ids);
}

const f32Bytes = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer);
const named = (name: string, shape: number[], values: Float32Array): TensorToWrite => ({
  name,
  dtype: 'F32',
  shape,
  bytes: f32Bytes(values),
});

describe.each(goldenCases)('%s', (name) => {
  test('an adapter gives PEFT’s logits, beside the weights and merged into them', async () => {
    const golden = openGolden(name);
    const folder = writeGoldenAdapter(golden, join(place, 'a'));
    const expected = golden.floats('lora.logits.0');
    expect(farthest(await withAdapters(golden, [folder]), expected)).toBeLessThan(1e-4);
    expect(farthest(await withAdapters(golden, []), expected)).toBeGreaterThan(0.1);
    // A second one without effect: the first is merged.
    const nothing = writeGoldenAdapter(golden, join(place, 'b'), { lora_alpha: 0 });
    expect(farthest(await withAdapters(golden, [folder, nothing]), expected)).toBeLessThan(1e-4);
  });
});

const llama = openGolden('llama');

test('two adapters are added, whichever comes last', async () => {
  const golden = llama;
  const one = writeGoldenAdapter(golden, join(place, 'one'));
  const two = writeGoldenAdapter(golden, join(place, 'two'), { lora_alpha: 2, r: 4 });
  const both = writeGoldenAdapter(golden, join(place, 'both'), { lora_alpha: 8 });
  const expected = await withAdapters(golden, [both]);
  expect(farthest(await withAdapters(golden, [one, two]), expected)).toBeLessThan(1e-4);
  expect(farthest(await withAdapters(golden, [two, one]), expected)).toBeLessThan(1e-4);
});

test('rsLoRA, and scales and ranks by pattern', async () => {
  const golden = llama;
  const expected = golden.floats('lora.logits.0');
  // 3 / √4 = 6 / 4
  const rs = writeGoldenAdapter(golden, join(place, 'rs'), { use_rslora: true, lora_alpha: 3 });
  expect(farthest(await withAdapters(golden, [rs]), expected)).toBeLessThan(1e-4);
  const patterns = writeGoldenAdapter(golden, join(place, 'patterns'), {
    r: 9,
    lora_alpha: 1,
    rank_pattern: { '.*proj': 4 },
    alpha_pattern: { q_proj: 6, 'layers.0.mlp.up_proj': 6, '.*': 6 },
  });
  expect(farthest(await withAdapters(golden, [patterns]), expected)).toBeLessThan(1e-4);
});

test('weights stored as F16 and BF16, and targets as a pattern', async () => {
  const golden = llama;
  const half = (tensors: TensorToWrite[]): TensorToWrite[] =>
    tensors.map(({ name, shape, bytes }) => {
      const bits = new Uint32Array((bytes as Uint8Array).slice().buffer);
      const words = Uint16Array.from(bits, (b) => b >>> 16);
      return { name, shape, dtype: 'BF16', bytes: new Uint8Array(words.buffer) };
    });
  const targets = { target_modules: '.*\\.(q|k|v|o|gate|up|down)_proj' };
  const bf16 = writeGoldenAdapter(golden, join(place, 'bf16'), targets, half);
  const rounded = await withAdapters(golden, [bf16]);
  const difference = farthest(rounded, golden.floats('lora.logits.0'));
  expect(difference).toBeGreaterThan(1e-3);
  expect(difference).toBeLessThan(0.5);
});

test('a bf16 base keeps its adapter in f32', async () => {
  const golden = llama;
  const folder = writeGoldenAdapter(golden, join(place, 'a'));
  const { model, memory } = await buildGolden(golden, 'bf16');
  const before = memory.weights.inUse;
  attachAdapters(model, [folder], { memory, modelName: 'm' });
  expect(memory.weights.inUse).toBeGreaterThan(before);
  const y = logitsOf(model, memory, golden.ids);
  expect(farthest(y, golden.floats('lora.logits.0'))).toBeLessThan(1.5);
  expect(
    farthest(y, logitsOf((await buildGolden(golden, 'bf16')).model, memory, golden.ids)),
  ).toBeGreaterThan(0.1);
});

describe('whole weights', () => {
  const embedding = (golden: Golden, scale: number) =>
    named(
      'base_model.model.model.embed_tokens.weight',
      [97, 32],
      golden.floats('model.embed_tokens.weight').map((v) => v * scale),
    );

  test('replace those of the model', async () => {
    const folder = writeGoldenAdapter(
      llama,
      join(place, 'a'),
      { modules_to_save: ['embed_tokens'] },
      (t) => [...t, embedding(llama, 1.5)],
    );
    const plain = writeGoldenAdapter(llama, join(place, 'b'));
    const [replaced, kept] = [
      await withAdapters(llama, [folder]),
      await withAdapters(llama, [plain]),
    ];
    expect(farthest(replaced, kept)).toBeGreaterThan(0.1);
  });

  test('of a tied model: the head keeps the base’s, unless the adapter ties it or has its own', async () => {
    const tied = openGolden('llama-tied');
    const write = (name: string, changes: object, head?: number): string =>
      writeGoldenAdapter(
        tied,
        join(place, name),
        { modules_to_save: ['embed_tokens'], ...changes },
        (t) => [
          ...t,
          embedding(tied, 1.5),
          ...(head === undefined
            ? []
            : [{ ...embedding(tied, head), name: 'base_model.model.lm_head.weight' }]),
        ],
      );
    const keeps = await withAdapters(tied, [write('keeps', {})]);
    const both = write('both', { ensure_weight_tying: true }, 1.5);
    const ties = await withAdapters(tied, [write('ties', { ensure_weight_tying: true })]);
    expect(
      farthest(
        ties,
        keeps.map((v) => v * 1.5),
      ),
    ).toBeLessThan(1e-3);
    expect(farthest(await withAdapters(tied, [both]), ties)).toBe(0);
    const own = await withAdapters(tied, [
      write('own', { modules_to_save: ['embed_tokens', 'lm_head'] }, 2),
    ]);
    expect(
      farthest(
        own,
        keeps.map((v) => v * 2),
      ),
    ).toBeLessThan(1e-3);
  });
});

describe('what does not fit is refused', () => {
  const refusal = async (folder: string): Promise<string> => {
    try {
      await withAdapters(llama, [folder]);
    } catch (error) {
      if (error instanceof TuneryError) return formatError(error);
      throw error;
    }
    throw new Error('nothing was refused');
  };
  const write = (changes: object, edit?: (t: TensorToWrite[]) => TensorToWrite[]): string =>
    writeGoldenAdapter(llama, join(place, 'a'), changes, edit);

  test.each([
    [{ use_dora: true }, 'use_dora', 'DoRA'],
    [{ bias: 'all' }, 'bias', 'biases of the base'],
    [{ peft_type: 'LOHA' }, 'peft_type', '"LOHA"'],
    [{ lora_bias: true }, 'lora_bias', 'bias of the adapters'],
    [{ layer_replication: [[0, 2]] }, 'layer_replication', 'several times'],
    [{ trainable_token_indices: [1] }, 'trainable_token_indices', 'tokens'],
    [{ init_lora_weights: 'pissa_niter_4' }, 'init_lora_weights', 'changed the base'],
    [{ use_something_new: { a: 1 } }, 'use_something_new', 'not known here'],
  ])('%j', async (changes, key, words) => {
    const text = await refusal(write(changes));
    expect(text).toContain('error[tuning/adapter-unsupported]');
    expect(text).toContain(`adapter_config.json: ${key}`);
    expect(text).toContain(words);
    expect(text).toMatch(/help: .*(PEFT|merge)/);
  });

  test('pickled weights, and folders that hold none', async () => {
    const folder = write({});
    rmSync(join(folder, 'adapter_model.safetensors'));
    expect(await refusal(folder)).toContain('it has no adapter_model.safetensors');
    writeFileSync(join(folder, 'adapter_model.bin'), 'x');
    expect(await refusal(folder)).toContain('pickled');
    expect(await refusal(join(place, 'nowhere'))).toContain('there is no such folder');
    expect(await refusal(place)).toContain('it has no adapter_config.json');
    writeFileSync(join(folder, 'adapter_config.json'), '[]');
    expect(await refusal(folder)).toContain('no JSON object');
  });

  test('an adapter of another model: what, where, why, and what to do', async () => {
    const other = openGolden('yi-like');
    const text = await refusal(writeGoldenAdapter(other, join(place, 'other')));
    expect(text).toContain('error[tuning/adapter-mismatch]');
    expect(text).toContain('does not fit the model `the-model`');
    expect(text).toMatch(
      /adapter_model\.safetensors: base_model\.model\.model\.layers\.0\..*lora_[AB]/,
    );
    expect(text).toMatch(/asks? for \[\d+, \d+\]/);
    expect(text).toContain('made for `some/base`');
    const falcon = await refusal(writeGoldenAdapter(openGolden('falcon'), join(place, 'falcon')));
    expect(falcon).toContain('the model has no linear layer `transformer.h.0');
  });

  test('weights left over, and weights that are missing', async () => {
    const first = (t: TensorToWrite[]): string => t.map(({ name }) => name).sort()[0];
    expect(await refusal(write({}, (t) => t.filter(({ name }) => name !== first(t))))).toContain(
      'only one half',
    );
    expect(
      await refusal(
        write({}, (t) => t.filter(({ name }) => !name.includes('layers.1.mlp.up_proj'))),
      ),
    ).toContain('means `model.layers.1.mlp.up_proj`');
    const extra = named(
      'base_model.model.model.layers.0.mlp.upp_proj.weight',
      [1],
      Float32Array.of(1),
    );
    expect(await refusal(write({}, (t) => [...t, extra]))).toContain(
      'did you mean `model.layers.0.mlp.up_proj.weight`',
    );
    expect(await refusal(write({ r: 3 }))).toContain('rank 3 on 40 inputs asks for [3, 40]');
    expect(await refusal(write({ modules_to_save: ['lm_head'] }))).toContain(
      '`modules_to_save` names `lm_head`',
    );
  });

  test('PEFT itself may read what is refused here', async () => {
    const folder = write({ use_dora: true });
    expect(await refusal(folder)).toContain('DoRA');
    expect(adapterForPeft(folder)).toBe(folder);
    expect(() => adapterForPeft(join(place, 'none'))).toThrow('there is no such folder');
  });

  test('nothing of the model has changed when the second adapter is refused', async () => {
    const good = write({});
    const bad = writeGoldenAdapter(llama, join(place, 'bad'), { use_dora: true });
    const { model, memory } = await buildGolden(llama);
    const before = logitsOf(model, memory, llama.ids);
    expect(() => attachAdapters(model, [good, bad], { memory, modelName: 'm' })).toThrow('DoRA');
    expect(farthest(logitsOf(model, memory, llama.ids), before)).toBe(0);
  });
});
