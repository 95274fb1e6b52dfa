/**
 * What Tunery leaves behind, loaded by transformers and PEFT. Needs the oracle's Python: runs in the deep suite with
 * `TUNERY_ORACLE_PYTHON` set (see tests/golden/README.md), and is skipped by name without.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Memory } from '../../src/engine/memory.ts';
import { loadModel } from '../../src/models/load.ts';
import { openModel } from '../../src/models/source.ts';
import { readPrompts } from '../golden/references.ts';
import { greedy } from './greedy.ts';
import { succeeds } from './program.ts';

const python = process.env['TUNERY_ORACLE_PYTHON'];
const golden = fileURLToPath(new URL('../golden/', import.meta.url));
const smollm2 = 'HuggingFaceTB/SmolLM2-135M-Instruct';
const prompts = readPrompts('base');

let place: string;
const at = (...parts: readonly string[]): string => join(place, ...parts);

/** Runs a script of tests/golden and gives its words; it fails where something differs. */
async function oracle(script: string, ...args: readonly string[]): Promise<string> {
  const env = { ...process.env, HF_HUB_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'false' };
  try {
    const { stdout } = await promisify(execFile)(python ?? '', [join(golden, script), ...args], {
      env,
    });
    console.log(stdout.trim());
    return stdout;
  } catch (error) {
    const said = error as { stdout?: string; stderr?: string };
    throw new Error(`${script} ${args.join(' ')}\n${said.stdout ?? ''}${said.stderr ?? ''}`);
  }
}

const train = (out: string, ...more: readonly string[]) =>
  succeeds(
    'train',
    `model_name_or_path=${smollm2}`,
    'dataset=identity',
    'cutoff_len=256',
    'max_steps=6',
    'learning_rate=0.001',
    'lr_scheduler_type=constant',
    'per_device_train_batch_size=4',
    'logging_steps=1',
    'save_strategy=no',
    `output_dir=${at(out)}`,
    ...more,
  );

const exported = (out: string, ...more: readonly string[]) =>
  succeeds('export', `export_dir=${at(out)}`, ...more);

/** Our logits of these ids, in a file. */
async function logits(
  out: string,
  model: string,
  ids: readonly number[],
  ...more: readonly string[]
) {
  await succeeds('debug', 'logits', model, '--ids', ids.join(','), '--out', at(out), ...more);
  return at(out);
}

async function ourGreedy(folder: string): Promise<{ ids: number[] }[]> {
  const memory = new Memory();
  const { model } = await loadModel(await openModel(folder), { memory, dtype: 'f32' });
  return prompts.map(({ prompt_ids }) => ({ ids: greedy(model, memory, prompt_ids, 64, [2]) }));
}

/** Texts, chats and special tokens as the tokenizer of a folder of ours gives them. */
async function ourTokens(folder: string, chats: readonly object[]) {
  const { listed }: { listed: string[] } = JSON.parse(
    gunzipSync(readFileSync(join(golden, 'tokenizer/ids.json.gz'))).toString('utf8'),
  );
  const tokenizer = (await openModel(folder)).tokenizer();
  const { bos, eos, pad } = tokenizer;
  const texts = listed.map((text) => ({ text, ids: [...tokenizer.encode(text.toWellFormed())] }));
  const special = { bos: bos?.id, eos: eos?.id, pad: pad?.id };
  return JSON.stringify({ texts, chats, special });
}

const chats = prompts.map(({ prompt, prompt_ids }) => ({
  messages: [{ role: 'user', content: prompt }],
  ids: prompt_ids,
}));

describe.runIf(process.env['TUNERY_DEEP'] && python)(
  'transformers and PEFT',
  { timeout: 600_000 },
  () => {
    beforeAll(async () => {
      place = mkdtempSync(join(tmpdir(), 'tunery-oracle-'));
      await exported('base', `model_name_or_path=${smollm2}`);
      await train('lora');
      await exported(
        'merged',
        `model_name_or_path=${smollm2}`,
        `adapter_name_or_path=${at('lora')}`,
      );
    }, 600_000);
    afterAll(() => rmSync(place, { recursive: true, force: true }));

    test('PEFT loads the adapter of a real run, and its logits are ours within 1e-3', async () => {
      for (const { prompt_ids: ids } of prompts) {
        const ours = await logits('ours.safetensors', smollm2, ids, '--adapter', at('lora'));
        await oracle(
          'check_adapter.py',
          at('base'),
          at('lora'),
          '--ids',
          ids.join(','),
          '--against',
          ours,
        );
      }
    });

    test('transformers loads the merged model: 64 greedy tokens of three prompts are ours, and not the base’s', async () => {
      const ours = await ourGreedy(at('merged'));
      writeFileSync(at('greedy.json'), JSON.stringify(ours));
      expect(ours.map(({ ids }) => ids)).not.toEqual(prompts.map(({ greedy_ids }) => greedy_ids));
      await oracle('check_merged.py', at('merged'), '--against', at('greedy.json'));
    });

    test('a GGUF and its de-quantized SafeTensors give the same logits, and the same greedy tokens as PyTorch', async () => {
      const [{ prompt_ids: ids }] = prompts;
      const [gguf, folder] = [
        await logits('gguf.safetensors', smollm2, ids),
        await logits('folder.safetensors', at('base'), ids),
      ];
      expect(readFileSync(folder).equals(readFileSync(gguf))).toBe(true);
      await oracle(
        'check_logits.py',
        at('base'),
        '--ids',
        ids.join(','),
        '--against',
        folder,
        '--tolerance',
        '2e-4',
      );
      expect((await ourGreedy(at('base'))).map((each) => each.ids)).toEqual(
        prompts.map((each) => each.greedy_ids),
      );
    });

    test('the tokenizer of an export, of an adapter’s folder, and with a named template', async () => {
      for (const folder of ['base', 'merged', 'lora']) {
        writeFileSync(at('tokens.json'), await ourTokens(at('merged'), chats));
        await oracle('check_tokenizer.py', at(folder), '--against', at('tokens.json'));
      }
      await exported('named', `model_name_or_path=${smollm2}`, 'template=default');
      writeFileSync(at('tokens.json'), await ourTokens(at('named'), []));
      await oracle('check_tokenizer.py', at('named'), '--against', at('tokens.json'));
    });

    test('bf16 in shards, float16, and a fully trained model load too', async () => {
      const [{ prompt_ids: ids }] = prompts;
      await exported(
        'bf16',
        `model_name_or_path=${at('merged')}`,
        'infer_dtype=bfloat16',
        'export_size=0.1',
      );
      await exported('f16', `model_name_or_path=${at('merged')}`, 'infer_dtype=float16');
      await train('full', 'finetuning_type=full', 'max_steps=2', 'learning_rate=0.00002');
      for (const folder of ['bf16', 'f16', 'full']) {
        const ours = await logits('ours.safetensors', at(folder), ids);
        await oracle(
          'check_logits.py',
          at(folder),
          '--ids',
          ids.join(','),
          '--against',
          ours,
          '--tolerance',
          '5e-4',
        );
      }
    });

    test('whole weights beside an adapter, of a tied model and of one that is not', async () => {
      const size = 'hidden_size=64&intermediate_size=64&num_hidden_layers=2';
      const cases = [
        [true, 'embed_tokens'],
        [true, 'embed_tokens,lm_head'],
        [true, 'lm_head'],
        [false, 'embed_tokens,lm_head'],
      ] as const;
      for (const [tied, targets] of cases) {
        const model = `random:llama?${size}&tie_word_embeddings=${tied}`;
        const name = `${tied}-${targets.replace(',', '-')}`;
        const [base, run] = [`tiny-${name}`, `run-${name}`];
        await exported(base, `model_name_or_path=${model}`);
        await train(run, `model_name_or_path=${model}`, `additional_target=${targets}`);
        const ids = [10, 44, 77, 258, 65];
        const ours = await logits('tiny.safetensors', at(base), ids, '--adapter', at(run));
        await oracle(
          'check_adapter.py',
          at(base),
          at(run),
          '--ids',
          ids.join(','),
          '--against',
          ours,
        );
        await exported(
          `${base}-merged`,
          `model_name_or_path=${at(base)}`,
          `adapter_name_or_path=${at(run)}`,
        );
        const merged = await logits('tiny-merged.safetensors', at(`${base}-merged`), ids);
        await oracle(
          'check_logits.py',
          at(`${base}-merged`),
          '--ids',
          ids.join(','),
          '--against',
          merged,
        );
        await oracle(
          'check_adapter.py',
          at(base),
          at(run),
          '--ids',
          ids.join(','),
          '--against',
          merged,
        );
      }
    });
  },
);
