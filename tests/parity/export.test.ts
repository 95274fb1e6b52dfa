/** `tunery export` and `tunery debug`: what is written reads back as what was there, merged and rounded once. */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTemplate } from '../../src/data/open-template.ts';
import { Memory } from '../../src/engine/memory.ts';
import { exportModel } from '../../src/export/export-model.ts';
import { openSafetensors, openWeights } from '../../src/files/safetensors.ts';
import { loadModel } from '../../src/models/load.ts';
import { openModel } from '../../src/models/source.ts';
import { byteTokenizer } from '../../src/tokenizer/byte-tokenizer.ts';
import { attachAdapters } from '../../src/tuning/attach-adapters.ts';
import { refused, smallDisk } from '../e2e/small-disk.ts';
import {
  farthest,
  goldenCases,
  logitsOf,
  openGolden,
  writeGoldenAdapter,
  writeGoldenFolder,
} from './golden-model.ts';
import { succeeds, tunery } from './program.ts';

let place: string;
const at = (...parts: readonly string[]): string => join(place, ...parts);
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'tunery-export-'));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const json = (...path: readonly string[]) => JSON.parse(readFileSync(at(...path), 'utf8'));
const random = 'random:llama?hidden_size=32&intermediate_size=32&num_hidden_layers=2';

async function logits(folder: string, ids: Int32Array, adapters: readonly string[] = []) {
  const memory = new Memory();
  const { model } = await loadModel(await openModel(folder), { memory, dtype: 'f32' });
  attachAdapters(model, adapters, { memory, modelName: folder });
  return logitsOf(model, memory, ids);
}

/** A folder of the case, with the tokenizer of random models so that it can be exported whole. */
async function base(name: string) {
  const golden = openGolden(name);
  const folder = writeGoldenFolder(golden, at('base'));
  await exportTo(random, 'tokenizer');
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    cpSync(at('tokenizer', file), join(folder, file));
  }
  return { golden, folder };
}

async function exportTo(
  model: string,
  out: string,
  more: Partial<Parameters<typeof exportModel>[0]> = {},
) {
  const source = await openModel(model);
  return exportModel({
    source,
    adapters: [],
    opened: undefined,
    dtype: 'auto',
    folder: at(out),
    shardBytes: 5e9,
    version: '1.2.3',
    ...more,
  });
}

test.each(goldenCases)(
  '%s: merged weights give the logits of the adapter beside them, as PEFT has them',
  async (name) => {
    const { golden, folder } = await base(name);
    const adapter = writeGoldenAdapter(golden, at('adapter'));
    const done = await exportTo(folder, 'merged', { adapters: [adapter] });
    expect(done).toMatchObject({ dtype: 'float32', largestError: 0, files: 6 });
    expect(done.changed).toBeGreaterThan(0);
    const merged = await logits(at('merged'), golden.ids);
    expect(farthest(merged, golden.floats('lora.logits.0'))).toBeLessThan(1e-4);
    expect(farthest(merged, await logits(folder, golden.ids, [adapter]))).toBeLessThan(5e-5);
  },
);

describe('formats', () => {
  test.each([
    ['bfloat16', 'BF16', 2 ** -8],
    ['float16', 'F16', 2 ** -11],
  ] as const)(
    '%s: each number is the nearest, and the largest rounding is told',
    async (dtype, stored, unit) => {
      const { golden, folder } = await base('llama');
      const adapters = [writeGoldenAdapter(golden, at('adapter'))];
      await exportTo(folder, 'exact', { adapters });
      const done = await exportTo(folder, 'rounded', { adapters, dtype });
      const [exact, rounded] = ['exact', 'rounded'].map((out) => openWeights(at(out)));
      let most = 0;
      let largest = 0;
      for (const name of exact.names()) {
        const raw = rounded.get(name);
        expect(raw.dtype).toBe(stored);
        const a = new Float32Array(exact.get(name).bytes.slice().buffer);
        const view = new DataView(raw.bytes.slice().buffer);
        const words = new Uint32Array(1);
        const b = a.map((_, i) => {
          if (stored === 'F16') return view.getFloat16(2 * i, true);
          words[0] = view.getUint16(2 * i, true) << 16;
          return new Float32Array(words.buffer)[0];
        });
        most = Math.max(most, farthest(a, b));
        largest = a.reduce((top, v) => Math.max(top, Math.abs(v)), largest);
      }
      expect(done.largestError).toBe(most);
      expect(done.largestError).toBeGreaterThan(0);
      expect(done.largestError).toBeLessThanOrEqual(largest * unit);
      expect(json('rounded', 'config.json').torch_dtype).toBe(dtype);
      // What is stored so already is copied.
      const again = await exportTo(at('rounded'), 'again');
      expect(again).toMatchObject({ dtype, largestError: 0 });
      expect(
        readFileSync(at('again', 'model.safetensors')).equals(
          readFileSync(at('rounded', 'model.safetensors')),
        ),
      ).toBe(true);
    },
  );

  test('a quantized GGUF becomes f32 with the same logits', async () => {
    const gguf = join(import.meta.dirname, '../golden/files/tiny-llama.gguf');
    // The tiny file has no tokenizer of its own.
    const source = { ...(await openModel(gguf)), tokenizer: byteTokenizer };
    await exportTo(gguf, 'out', { source });
    const ids = Int32Array.of(1, 5, 7, 2, 9);
    expect(farthest(await logits(at('out'), ids), await logits(gguf, ids))).toBe(0);
    const again = (await openModel(at('out'))).tokenizer();
    expect(again.digest).toBe(byteTokenizer().digest);
  });
});

test('whole weights of an adapter: an own head makes the model untied', async () => {
  const { golden, folder } = await base('llama-tied');
  const values = golden.floats('model.embed_tokens.weight').map((v) => v * 2);
  const whole = (name: string) => ({
    name,
    dtype: 'F32',
    shape: [97, 32],
    bytes: new Uint8Array(values.buffer),
  });
  for (const [i, [saved, name]] of [
    [['embed_tokens'], 'base_model.model.model.embed_tokens.weight'],
    [['lm_head'], 'base_model.model.lm_head.weight'],
  ].entries() as Iterable<[number, [string[], string]]>) {
    const adapter = writeGoldenAdapter(
      golden,
      at(`adapter-${i}`),
      { modules_to_save: saved },
      (t) => [...t, whole(name)],
    );
    await exportTo(folder, `out-${i}`, { adapters: [adapter] });
    expect(json(`out-${i}`, 'config.json').tie_word_embeddings).toBe(false);
    const merged = await logits(at(`out-${i}`), golden.ids);
    expect(farthest(merged, await logits(folder, golden.ids, [adapter]))).toBeLessThan(1e-4);
  }
});

describe('files', () => {
  test('are cut by size, with an index, and read back as one', async () => {
    const { golden, folder } = await base('llama');
    const done = await exportTo(folder, 'shards', { shardBytes: 20_000 });
    const files = readdirSync(at('shards'))
      .filter((name) => name.endsWith('.safetensors'))
      .sort();
    expect(files.length).toBeGreaterThan(2);
    expect(files[0]).toBe(`model-00001-of-${String(files.length).padStart(5, '0')}.safetensors`);
    const index = json('shards', 'model.safetensors.index.json');
    expect(index.metadata.total_size).toBe(done.bytes);
    const names = files.flatMap((file) => [...openSafetensors(at('shards', file)).tensors.keys()]);
    expect(names.sort()).toEqual(Object.keys(index.weight_map).sort());
    for (const file of files) expect(statSync(at('shards', file)).size).toBeLessThan(24_000);
    expect(
      farthest(await logits(at('shards'), golden.ids), golden.floats('logits.0')),
    ).toBeLessThan(1e-4);
  });

  test('name the tokens that end a reply: the template’s first, then the model’s own', async () => {
    const source = await openModel(random);
    const tokenizer = source.tokenizer();
    const opened = openTemplate({
      name: 'default',
      jinja: source.chatTemplate,
      tokenizer,
      stopIds: [],
    });
    const own = { ...source, generationConfig: { eos_token_id: [7, 258], temperature: 0.6 } };
    await exportTo(random, 'out', { source: own, opened });
    const [stop] = opened.template.stopIds;
    expect(json('out', 'generation_config.json')).toMatchObject({
      eos_token_id: [...new Set([stop, ...opened.template.stopIds, 7, 258])],
      temperature: 0.6,
    });
    expect(json('out', 'config.json').eos_token_id).toBe(stop);
    expect(readFileSync(at('out', 'chat_template.jinja'), 'utf8')).toBe(opened.jinja);
    expect(json('out', 'tokenizer_config.json').chat_template).toBe(opened.jinja);
    const again = (await openModel(at('out'))).tokenizer();
    expect(again.eos).toEqual(opened.tokenizer.eos);
  });

  test('keep the model’s own template where none was opened, as for plain text', async () => {
    await exportTo(random, 'out');
    const { chatTemplate } = await openModel(random);
    expect(chatTemplate).toBeDefined();
    expect((await openModel(at('out'))).chatTemplate).toBe(chatTemplate);
  });

  test('of a folder’s tokenizer are copied byte for byte where nothing asks for a change', async () => {
    await exportTo(random, 'one');
    const odd = JSON.stringify({
      ...json('one', 'tokenizer_config.json'),
      odd: [1, 2],
      chat_template: 'T',
    });
    writeFileSync(at('one', 'tokenizer_config.json'), odd);
    rmSync(at('one', 'special_tokens_map.json'));
    const source = await openModel(at('one'));
    const opened = openTemplate({
      name: null,
      jinja: source.chatTemplate,
      tokenizer: source.tokenizer(),
    });
    await exportTo(at('one'), 'two', { source, opened });
    expect(readFileSync(at('two', 'tokenizer_config.json'), 'utf8')).toBe(odd);
    expect(existsSync(at('two', 'special_tokens_map.json'))).toBe(false);
  });
});

describe('the folder', () => {
  test('of an earlier export is replaced; any other that holds files is refused', async () => {
    await exportTo(random, 'out', { shardBytes: 3000 });
    await exportTo(random, 'out');
    expect(readdirSync(at('out')).some((name) => name.includes('-of-'))).toBe(false);
    writeFileSync(at('out', 'notes.txt'), 'mine');
    await expect(exportTo(random, 'out')).rejects.toThrow(
      'files beside an earlier export: `notes.txt`',
    );
    expect(readFileSync(at('out', 'notes.txt'), 'utf8')).toBe('mine');
    rmSync(at('out', 'tunery_export.json'));
    await expect(exportTo(random, 'out')).rejects.toMatchObject({ code: 'export/folder-in-use' });
    writeFileSync(at('file'), '');
    await expect(exportTo(random, 'file')).rejects.toThrow('a file of that name');
    await exportTo(random, 'own');
    await expect(exportTo(at('own'), 'own')).rejects.toThrow('what is to be exported');
  });

  test('is as it was after a stop, a failure or a misfit', async () => {
    const { golden, folder } = await base('llama');
    await exportTo(folder, 'out');
    const before = readdirSync(place).sort();
    const stop = (written: number) =>
      written > 10_000 ? Promise.reject(new Error('stop')) : Promise.resolve();
    await expect(exportTo(folder, 'out', { dtype: 'bfloat16', turn: stop })).rejects.toThrow(
      'stop',
    );
    const huge = writeGoldenAdapter(golden, at('huge'), { lora_alpha: 1e9 });
    await expect(exportTo(folder, 'out', { dtype: 'float16', adapters: [huge] })).rejects.toThrow(
      /has numbers that F16 cannot hold/,
    );
    const other = writeGoldenAdapter(openGolden('yi-like'), at('other'));
    await expect(exportTo(folder, 'new', { adapters: [other] })).rejects.toMatchObject({
      code: 'tuning/adapter-mismatch',
    });
    expect(
      readdirSync(place)
        .filter((name) => !['huge', 'other'].includes(name))
        .sort(),
    ).toEqual(before);
    expect(json('out', 'config.json').torch_dtype).toBe('float32');
  });
});

test('a full disk is a clear error, and the earlier export stays', async (context) => {
  const disk = smallDisk(at('disk'), 400);
  if (!disk) return context.skip(refused);
  try {
    await exportTo(random, 'disk/out');
    const larger = random.replaceAll('=32', '=128');
    await expect(exportTo(larger, 'disk/out')).rejects.toMatchObject({
      code: 'export/disk-full',
      message: expect.stringMatching(/no space left to export to .*: .* needed, .* free/),
    });
    expect(json('disk/out', 'config.json').hidden_size).toBe(32);
    // Full on the way, after the look at what is free.
    const fill = (written: number): Promise<void> => {
      if (written > 20_000 && !existsSync(at('disk/filler'))) {
        try {
          writeFileSync(at('disk/filler'), Buffer.alloc(1e6));
        } catch {
          // It took what there was.
        }
      }
      return Promise.resolve();
    };
    await expect(exportTo(random, 'disk/out', { turn: fill })).rejects.toMatchObject({
      code: 'export/disk-full',
    });
    expect(json('disk/out', 'config.json').hidden_size).toBe(32);
    expect(readdirSync(at('disk')).sort()).toEqual(['filler', 'out']);
  } finally {
    disk.unmount();
  }
});

describe('the program', () => {
  beforeEach(() => {
    const rows = [
      { instruction: 'Who are you?', output: 'I am Tuna.' },
      { instruction: 'Count.', output: 'One, two.' },
    ];
    writeFileSync(at('rows.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
    const settings = {
      model_name_or_path: random,
      dataset: at('rows.jsonl'),
      template: 'chatml',
      per_device_train_batch_size: 1,
      gradient_accumulation_steps: 2,
      max_steps: 2,
      learning_rate: 0.001,
      disable_shuffling: true,
      output_dir: at('run'),
    };
    writeFileSync(at('run.yaml'), JSON.stringify(settings));
  });

  test('exports what a training’s file has trained, and not the base before that', {
    timeout: 60_000,
  }, async () => {
    const early = await tunery('export', at('run.yaml'), `export_dir=${at('out')}`);
    expect(early.code).not.toBe(0);
    expect(early.err).toContain('there is nothing to export');
    expect(existsSync(at('out'))).toBe(false);
    await succeeds('train', at('run.yaml'));
    const { out } = await succeeds('export', at('run.yaml'), `export_dir=${at('out')}`);
    expect(out).toMatch(
      /Wrote \d+ tensors as float32, the adapter merged into 14 of them, to .*no number was rounded/,
    );
    const ids = Int32Array.of(10, 20, 30, 40);
    const merged = await logits(at('out'), ids);
    expect(farthest(merged, await logits(random, ids, [at('run')]))).toBeLessThan(1e-5);
    expect(farthest(merged, await logits(random, ids))).toBeGreaterThan(1e-5);
    // Beside the adapter lies the tokenizer, as the template made it.
    expect(json('run', 'tokenizer_config.json')).toMatchObject({ eos_token: '<|im_end|>' });
    for (const file of ['tokenizer.json', 'chat_template.jinja', 'adapter_config.json']) {
      expect(existsSync(at('run', file)), file).toBe(true);
    }
    expect(existsSync(at('run', 'config.json'))).toBe(false);
  });

  test('a fully trained model opens as a folder, with its stop token', {
    timeout: 60_000,
  }, async () => {
    await succeeds('train', at('run.yaml'), 'finetuning_type=full');
    const source = await openModel(at('run'));
    expect(source.config).toMatchObject({ torch_dtype: 'float32', eos_token_id: 258 });
    // ChatML names both of its markers as stops.
    expect(source.generationConfig).toMatchObject({ eos_token_id: [258, 257] });
    expect(source.tokenizer().digest).toBe((await openModel(random)).tokenizer().digest);
    const ids = Int32Array.of(10, 20, 30, 40);
    expect(farthest(await logits(at('run'), ids), await logits(random, ids))).toBeGreaterThan(1e-5);
  });

  test('debug logits writes ids and logits; debug batches what each step is fed', async () => {
    await succeeds('debug', 'logits', random, '--ids', '1,2,3', '--out', at('l.safetensors'));
    const { tensors } = openSafetensors(at('l.safetensors'));
    const ids = Int32Array.of(1, 2, 3);
    expect(new Int32Array(tensors.get('ids')!.bytes.slice().buffer)).toEqual(ids);
    const written = new Float32Array(tensors.get('logits')!.bytes.slice().buffer);
    expect(tensors.get('logits')!.shape).toEqual([3, 259]);
    expect(farthest(written, await logits(random, ids))).toBeLessThan(1e-6);
    const both = await tunery(
      'debug',
      'logits',
      random,
      '--ids',
      '1',
      '--text',
      'x',
      '--out',
      at('no'),
    );
    expect(both.err).toContain('takes either `--ids` or `--text`');
    const outside = await tunery('debug', 'logits', random, '--ids', '1,999', '--out', at('no'));
    expect(outside.err).toContain('`999` is no token id: the model has 259 tokens');

    await succeeds('debug', 'batches', at('run.yaml'), '--steps', '5', '--out', at('b.jsonl'));
    const lines = readFileSync(at('b.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ step }) => step)).toEqual([1, 2]);
    const tokenizer = (await openModel(random)).tokenizer();
    for (const { rows, targets } of lines) {
      expect(rows).toHaveLength(2);
      expect(rows[1].origin).toEqual([[at('rows.jsonl'), 2]]);
      expect(tokenizer.decode(rows[0].input_ids)).toContain('Who are you?');
      const learned = rows[0].labels.filter((label: number) => label !== -100);
      expect(tokenizer.decode(learned)).toContain('I am Tuna.<|im_end|>');
      const count = rows
        .flatMap((row: { labels: number[] }) => row.labels.slice(1))
        .filter((l: number) => l !== -100).length;
      expect(targets).toBe(count);
    }
  });
});
