/** Every file of `examples/` runs as it stands, through the real program on the real model; only its length is cut. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const launcher = join(root, 'bin', 'tunery.js');
const longestMs = 240_000;

/** One step on a few short rows, and nothing on the disk but the result. */
const short = [
  ...['max_steps=1', 'max_samples=4', 'cutoff_len=96', 'per_device_train_batch_size=2'],
  ...['gradient_accumulation_steps=1', 'save_strategy=no'],
];

type Run = {
  readonly command: string;
  readonly settings: readonly string[];
  readonly input?: string;
  /** Files that it must leave, larger than so many bytes. */
  readonly leaves: Readonly<Record<string, number>>;
};

const adapter = (folder: string): Run['leaves'] => ({
  [`${folder}/adapter_model.safetensors`]: 9e6,
  [`${folder}/tokenizer.json`]: 1e6,
  [`${folder}/training_loss.svg`]: 500,
});

/** In this order: what chats and exports needs what was trained. */
const runs: Readonly<Record<string, Run>> = {
  'smollm2_lora_sft.yaml': {
    command: 'train',
    settings: short,
    leaves: adapter('saves/smollm2/lora/sft'),
  },
  'smollm2_qlora_sft.yaml': {
    command: 'train',
    settings: short,
    leaves: adapter('saves/smollm2/qlora/sft'),
  },
  'smollm2_lora_chat.yaml': {
    command: 'chat',
    settings: ['max_new_tokens=8', 'do_sample=false'],
    input: 'Who are you?\n',
    leaves: {},
  },
  'smollm2_lora_export.yaml': {
    command: 'export',
    settings: ['infer_dtype=bfloat16'],
    leaves: {
      'saves/smollm2/merged/model.safetensors': 260e6,
      'saves/smollm2/merged/config.json': 200,
      'saves/smollm2/merged/tokenizer.json': 1e6,
    },
  },
  'smollm2_lora_pretrain.yaml': {
    command: 'train',
    settings: short,
    leaves: adapter('saves/smollm2/lora/pretrain'),
  },
  'smollm2_full_sft.yaml': {
    command: 'train',
    settings: short,
    leaves: { 'saves/smollm2/full/sft/model.safetensors': 500e6 },
  },
};

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-examples-'));
  for (const name of ['examples', 'data']) symlinkSync(join(root, name), join(folder, name));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('each example is in the table', () => {
  const files = globSync('examples/*.yaml', { cwd: root }).map((path) => basename(path));
  expect(Object.keys(runs).sort()).toEqual(files.sort());
});

describe.each(Object.entries(runs))('%s', (name, { command, settings, input, leaves }) => {
  test(`tunery ${command} runs it`, { timeout: longestMs }, () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [launcher, command, join('examples', name), ...settings],
      {
        cwd: folder,
        encoding: 'utf8',
        input: input ?? '',
        env: { ...process.env, NO_COLOR: '1', TUNERY_DEBUG: '1' },
        timeout: longestMs,
      },
    );
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    for (const [path, bytes] of Object.entries(leaves)) {
      expect(existsSync(join(folder, path)), path).toBe(true);
      expect(statSync(join(folder, path)).size, path).toBeGreaterThan(bytes);
    }
    if (command === 'chat') expect(stdout.trim()).toMatch(/\w+/);
    if (command === 'train') {
      const [saved] = Object.keys(leaves);
      const results = join(folder, saved ?? '', '..', 'all_results.json');
      const { train_loss: loss } = JSON.parse(readFileSync(results, 'utf8'));
      expect(loss).toBeGreaterThan(0.5);
      expect(loss).toBeLessThan(6);
    }
  });
});
