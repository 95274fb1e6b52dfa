import { expect, test } from 'vitest';
import { toBf16 } from '../kernels/convert.ts';
import { openModel } from './source.ts';

test('random models are the same for a seed, and have the shapes asked for', async () => {
  const name = 'random:llama?hidden_size=64&num_hidden_layers=1&tie_word_embeddings=true&seed=7';
  const [a, b] = [await openModel(name), await openModel(name)];
  expect(a.config).toMatchObject({ model_type: 'llama', hidden_size: 64, vocab_size: 259 });
  expect(a.weights.has('lm_head.weight')).toBe(false);
  expect(a.weights.has('model.layers.1.mlp.up_proj.weight')).toBe(false);
  const read = (model: typeof a, weight: string) => {
    const { shape, read } = model.weights.get(weight);
    const values = new Float32Array(shape.reduce((x, y) => x * y, 1));
    read(values);
    return values;
  };
  const embedding = read(a, 'model.embed_tokens.weight');
  expect(embedding).toHaveLength(259 * 64);
  expect(embedding).toEqual(read(b, 'model.embed_tokens.weight'));
  expect(Math.hypot(...embedding) / Math.sqrt(embedding.length)).toBeCloseTo(0.02, 3);
  expect(read(a, 'model.norm.weight')).toEqual(new Float32Array(64).fill(1));
  const other = await openModel(name.replace('seed=7', 'seed=8'));
  expect(read(other, 'model.embed_tokens.weight')).not.toEqual(embedding);
  expect(other.digest).not.toBe(a.digest);
  expect(a.tokenizer().encode('ab')).toEqual(Int32Array.of(97, 98));
});

test('what is drawn in bf16 is what is drawn in f32, rounded', async () => {
  const { weights } = await openModel('random:llama?hidden_size=64&num_hidden_layers=1');
  for (const name of ['model.embed_tokens.weight', 'model.norm.weight']) {
    const { shape, read } = weights.get(name);
    const size = shape.reduce((x, y) => x * y, 1);
    const [drawn, whole, rounded] = [
      new Uint16Array(size),
      new Float32Array(size),
      new Uint16Array(size),
    ];
    read(drawn);
    read(whole);
    toBf16.run(whole, rounded);
    expect(drawn).toEqual(rounded);
  }
});

test.each([
  ['random:lama', /kind `lama` are not supported yet \(did you mean `llama`\?\)/],
  [
    'random:llama?hiden_size=64',
    /`hiden_size` is no key of llama’s config; did you mean `hidden_size`/,
  ],
  ['random:llama?hidden_size=wide', /`hidden_size`: /],
  ['random:llama?hidden_size', /is no key=value/],
  ['random:llama?seed=-1', /`seed` is no whole number/],
  ['random:llama?vocab_size=97', /less than the tokenizer’s 259/],
])('%s is refused', async (name, message) => {
  await expect(openModel(name)).rejects.toThrow(message);
});
