/** Frozen weights in blocks: models that bitsandbytes has quantized, our own quantizing beside it, and GGUF as it lies. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Memory } from '../../src/engine/memory.ts';
import { namedParameters } from '../../src/engine/nn/index.ts';
import type { Quantization } from '../../src/models/hold.ts';
import { loadModel } from '../../src/models/load.ts';
import { openModel } from '../../src/models/source.ts';
import { farthest, logitsOf } from './golden-model.ts';

const golden = (name: string): string =>
  fileURLToPath(new URL(`../golden/${name}`, import.meta.url));

async function open(path: string, quantization: Quantization | null = null) {
  const memory = new Memory();
  const source = await openModel(golden(path));
  const { model } = await loadModel(source, { memory, dtype: 'f32', quantization });
  return { memory, model, parameters: new Map(namedParameters(model.root)) };
}

/** Of a zero, the sign depends on which of bitsandbytes' decoders was taken: adding zero takes it away. */
const digest = (numbers: Float32Array | Float64Array): string =>
  createHash('sha256')
    .update(new Uint8Array(Float32Array.from(numbers, (each) => each + 0).buffer))
    .digest('hex');

type Case = { ids: number[]; logits: string; digests: Record<string, string> };
const read = (name: string): Case => JSON.parse(readFileSync(golden(`bnb/${name}.json`), 'utf8'));

describe('a model that bitsandbytes has quantized', () => {
  test.each(['nf4', 'nf4-nested', 'fp4-nested', 'int8'])('%s', async (name) => {
    const { ids, logits, digests } = read(name);
    const { memory, model, parameters } = await open(`bnb/${name}`);
    expect(Object.keys(digests)).toHaveLength(14);
    for (const [weight, wanted] of Object.entries(digests)) {
      const { tensor } = parameters.get(weight)!;
      expect(tensor.dtype).toBe('blocks');
      expect(digest(tensor.read()), weight).toBe(wanted);
    }
    const blocks = [...parameters.values()].filter(({ tensor }) => tensor.dtype === 'blocks');
    expect(blocks).toHaveLength(14);
    const want = new Float32Array(Uint8Array.from(Buffer.from(logits, 'base64')).buffer);
    expect(farthest(logitsOf(model, memory, Int32Array.from(ids)), want)).toBeLessThan(1e-4);
  });
});

test('quantized while it is loaded, a model has the blocks that bitsandbytes makes', async () => {
  const { parameters } = await open('bnb/plain', { to: 'NF4', nested: false });
  for (const [weight, wanted] of Object.entries(read('nf4').digests)) {
    expect(digest(parameters.get(weight)!.tensor.read()), weight).toBe(wanted);
  }
});

test('scales in eight bits are near those that bitsandbytes makes', async () => {
  const ours = await open('bnb/plain', { to: 'FP4', nested: true });
  const theirs = await open('bnb/fp4-nested');
  const { ids } = read('nf4');
  const [a, b] = [ours, theirs].map(({ model, memory }) =>
    logitsOf(model, memory, Int32Array.from(ids)),
  );
  expect(farthest(a, b)).toBeLessThan(0.05);
});

describe('a GGUF file', () => {
  test.each(['tiny-llama', 'tiny-qwen2'])(
    '%s: blocks as they lie give the logits of their numbers',
    async (name) => {
      const ids = Int32Array.from({ length: 40 }, (_, i) => (i * 7) % 50);
      const [kept, expanded] = [
        await open(`files/${name}.gguf`, { to: 'stored' }),
        await open(`files/${name}.gguf`),
      ];
      const inBlocks = [...kept.parameters].filter(([, { tensor }]) => tensor.dtype === 'blocks');
      expect(inBlocks.length).toBeGreaterThan(0);
      for (const [weight, { tensor }] of inBlocks) {
        expect(tensor.read(), weight).toEqual(expanded.parameters.get(weight)!.tensor.read());
      }
      const [a, b] = [kept, expanded].map(({ model, memory }) => logitsOf(model, memory, ids));
      expect(farthest(a, b)).toBe(0);
    },
  );

  test('a model without blocks cannot keep them', async () => {
    await expect(open('bnb/plain', { to: 'stored' })).rejects.toThrow(/has none/);
  });
});
