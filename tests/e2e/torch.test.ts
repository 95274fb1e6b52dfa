/** @file The torch engine beside the native one, and its ranks beside each other: the same steps. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openSafetensors } from '../../src/files/safetensors.ts';
import { quantizeFourBit } from '../../src/kernels/quantize.ts';
import { eventsName, readEvents } from '../../src/runs/events-file.ts';
import {
  compileDeepspeed,
  deep,
  expectClose,
  full,
  has,
  losses,
  python,
  type Settings,
  there,
  torch,
  torchRuns,
  two,
  worker,
} from './torch-runs.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

const tied: Settings = {
  model_name_or_path: 'random:llama?hidden_size=64&num_hidden_layers=2&tie_word_embeddings=true',
};

describe.runIf(there)('the torch engine', () => {
  const { place, asArguments, train } = torchRuns();
  const at = (folder: string): string => place.at(folder);
  beforeAll(compileDeepspeed, 600_000);
  afterAll(() => place.remove());

  /** Goes on after step 3 in a copy, as if killed there. */
  async function goOn(folder: string, ...settings: readonly Settings[]): Promise<number[]> {
    const copy = `${folder}-again`;
    cpSync(at(folder), at(copy), { recursive: true });
    rmSync(join(at(copy), 'checkpoint-6'), { recursive: true });
    const before = readEvents(join(at(copy), eventsName)).length;
    const again = await train(copy, ...settings, { resume_from_checkpoint: true });
    const done = readEvents(join(at(copy), eventsName)).slice(before);
    expect(done.filter(({ type }) => type === 'step-end')).toHaveLength(3);
    rmSync(at(copy), { recursive: true });
    return again;
  }

  describe('one process takes the native engine’s steps', () => {
    async function compare(name: string, settings: Settings): Promise<void> {
      const native = await train('native', settings, { overwrite_output_dir: true });
      const other = await train('torch', settings, torch, { overwrite_output_dir: true });
      expectClose(name, other, native, 1e-5);
      if (settings['val_size']) expectClose('eval', evals(at('torch')), evals(at('native')), 1e-5);
      const weights = settings['finetuning_type'] === 'full' ? 'model' : 'adapter_model';
      expectSameWeights(
        join(at('torch'), `${weights}.safetensors`),
        join(at('native'), `${weights}.safetensors`),
      );
    }

    test.each<[string, Settings]>([
      ['LoRA, in cuts of 200 tokens', { micro_batch_tokens: 200 }],
      ['full, on packs', full],
    ])('%s', compare);
    test.runIf(deep).each<[string, Settings]>([
      ['LoRA+ and decay', { loraplus_lr_ratio: 4, weight_decay: 0.1, max_grad_norm: 0.2 }],
      ['an embedding that is the head, whole', { ...tied, additional_target: 'embed_tokens' }],
      ['a head that was the embedding, whole', { ...tied, additional_target: 'lm_head,norm' }],
      ['evaluation', { val_size: 0.2, eval_strategy: 'steps', eval_steps: 3 }],
    ])('%s', compare);
  });

  describe('two processes take the steps of one', () => {
    const alone: Record<string, number[]> = {};
    beforeAll(async () => {
      alone['full'] = await train('alone-full', full, torch);
      alone['lora'] = await train('alone-lora', torch);
    });

    async function equal(name: string, kind: 'full' | 'lora', settings: Settings): Promise<void> {
      const folder = name.replaceAll(/\W+/g, '-');
      const both = await train(folder, kind === 'full' ? full : {}, torch, two, settings);
      expectClose(name, both, alone[kind]!, 1e-6);
    }

    test.each<[string, 'full' | 'lora', Settings]>([
      ['DDP', 'full', {}],
      [
        'FSDP2 with LoRA, in cuts of 200 tokens',
        'lora',
        { fsdp: 'full_shard', micro_batch_tokens: 200 },
      ],
    ])('%s', equal);
    test.runIf(deep).each<[string, 'full' | 'lora', Settings]>([
      ['DDP with LoRA', 'lora', {}],
      ['FSDP2', 'full', { fsdp: 'full_shard' }],
    ])('%s', equal);

    test.runIf(deep)(
      'a step that is one micro-batch on one rank and three on the other',
      async () => {
        const rows = Array.from({ length: 32 }, (_, i) => ({
          instruction: 'a',
          output: (i % 4 === 0 ? 'long '.repeat(60) : 'short '.repeat(12)).slice(0, 400),
        }));
        writeFileSync(place.at('uneven.json'), JSON.stringify(rows));
        const uneven = {
          dataset: 'uneven.json',
          cutoff_len: 512,
          disable_shuffling: true,
          micro_batch_tokens: 64,
          global_batch_size: 4,
        };
        const [one, both] = [
          await train('even', uneven, torch),
          await train('uneven', uneven, torch, two),
        ];
        expectClose('uneven', both, one, 1e-6);
        // What the ranks were given: a rank without rows computes nothing as often as the other computes something.
        const said = spawnSync(
          python!,
          [
            '-c',
            'import sys; sys.path.insert(0, sys.argv[1]); from rows import share; print(share([7, 8, 9, 10], lambda row: 300 if row == 7 else 90, 2, 100))',
            worker,
          ],
          { encoding: 'utf8' },
        );
        expect(said.stdout.trim()).toBe('[[[7], [], []], [[8], [9], [10]]]');
      },
    );

    test.runIf(deep)('what two saved, one goes on with, and the other way round', async () => {
      const sharded = { fsdp: 'full_shard' };
      const whole = await train('sharded', full, torch, two, sharded);
      expectClose('2 → 2', await goOn('sharded', full, torch, two, sharded), whole, 1e-7);
      expectClose('2 → 1', await goOn('sharded', full, torch), whole, 1e-6);
      expectClose(
        '1 → 2',
        await goOn('alone-full', full, torch, two, sharded),
        alone['full']!,
        1e-6,
      );
    });

    test.runIf(deep && has('deepspeed')).each([1, 2, 3])('ZeRO %i', async (stage) => {
      const config = `zero${stage}.json`;
      const zero = {
        stage,
        reduce_bucket_size: 'auto',
        stage3_prefetch_bucket_size: 'auto',
        stage3_param_persistence_threshold: 'auto',
      };
      writeFileSync(
        place.at(config),
        JSON.stringify({ train_batch_size: 8, gradient_clipping: 'auto', zero_optimization: zero }),
      );
      const settings = [full, torch, two, { deepspeed: config, micro_batch_tokens: 200 }];
      const folder = `zero${stage}`;
      const both = await train(folder, ...settings);
      expectClose(folder, both, alone['full']!, 1e-6);
      expectClose(`${folder} again`, await goOn(folder, ...settings), both, 1e-6);
    });
  });

  describe.runIf(deep)('options', () => {
    test('float16 scales its loss, and goes on with the scale that it had', async () => {
      const half = { fp16: true };
      const whole = await train('half', torch, half);
      expectClose('float16', whole, await train('whole', torch), 2e-4);
      // Otherwise the option was not taken at all.
      expect(whole).not.toEqual(losses(at('whole')));
      expectClose('float16 again', await goOn('half', torch, half), whole, 1e-7);
      expectClose(
        'float16, FSDP2',
        await train('half-two', torch, half, two, { fsdp: 'full_shard' }),
        whole,
        2e-4,
      );
    });

    test('cross entropy leaves nothing of a large vocabulary out, and its gradients sum to zero', () => {
      const said = spawnSync(
        python!,
        [
          '-c',
          `import sys, torch; sys.path.insert(0, sys.argv[1]); from learn import CrossEntropy
torch.manual_seed(1)
logits = (torch.randn(64, 49152) * 3 + 20).requires_grad_()
targets = torch.randint(0, 49152, (64,))
wanted = torch.nn.functional.cross_entropy(logits.detach().double(), targets, reduction="none")
losses = CrossEntropy.apply(logits, targets)
losses.sum().backward()
true = torch.softmax(logits.detach().double(), -1)
true[torch.arange(64), targets] -= 1
print(float((losses.detach() - wanted).mean().abs()), float(logits.grad.double().sum(-1).mean().abs()), float((logits.grad - true).abs().max()))`,
          worker,
        ],
        { encoding: 'utf8' },
      );
      const [bias, sum, gradient] = said.stdout.trim().split(' ').map(Number);
      // torch.nn.functional.cross_entropy has 1e-5 in the first two.
      expect(bias).toBeLessThan(5e-7);
      expect(sum).toBeLessThan(5e-7);
      expect(gradient).toBeLessThan(5e-7);
    });

    test('on a GPU documents attend within themselves, without a mask', () => {
      // The kernels are CUDA’s: here a plain one stands in their place, and is told where documents begin.
      const said = spawnSync(
        python!,
        [
          '-c',
          `import sys, torch; sys.path.insert(0, sys.argv[1]); import attention, strategy
from rows import Batch
from torch.nn.functional import scaled_dot_product_attention as attend
from transformers import LlamaConfig, LlamaForCausalLM
torch.manual_seed(0)
heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
model = LlamaForCausalLM(LlamaConfig(hidden_size=64, intermediate_size=96, num_hidden_layers=2, vocab_size=80, **heads))
lengths = [5, 1, 9]
ids, positions = torch.randint(0, 80, (1, 15)), torch.cat([torch.arange(n) for n in lengths])[None]
batch = Batch(ids, ids, positions, [], torch.tensor([0, *lengths]).cumsum(0).int(), max(lengths))
@torch.compiler.disable
def alone(query, key, value, starts, longest, dropout, scaling):
    parts = [[each[:, :, a:b] for each in (query, key, value)] for a, b in zip(starts, starts[1:])]
    return torch.cat([attend(*part, is_causal=True, scale=scaling, enable_gqa=True) for part in parts], 2).transpose(1, 2)
def pass_through():
    told = attention.told(model, batch, torch.device("cpu"))
    logits = model(input_ids=ids, position_ids=positions, use_cache=False, **told).logits
    model.zero_grad()
    logits.square().sum().backward()
    return logits.detach(), model.model.layers[0].self_attn.k_proj.weight.grad.clone()
masked = pass_through()
attention.kernel_for = lambda value: alone
attention.use(model, torch.device("cpu"))
print(model.config._attn_implementation)
attention.use(model, torch.device("cuda"))
print(model.config._attn_implementation)
plain = pass_through()
strategy.compile_blocks(model, {"backend": "aot_eager"})
print(all(float((a - b).abs().max()) < 1e-6 for got in (plain, pass_through()) for a, b in zip(masked, got)))`,
          worker,
        ],
        { encoding: 'utf8' },
      );
      expect(said.stdout.trim().split('\n'), said.stderr).toEqual([
        'sdpa',
        'tunery_documents',
        'True',
      ]);
    });

    test('a step that overflows is taken again at half the scale', () => {
      const said = spawnSync(
        python!,
        [
          '-c',
          `import sys, torch; sys.path.insert(0, sys.argv[1]); from scaling import Scaling
scaling = Scaling(on=True)
p = torch.nn.Parameter(torch.zeros(1)); p.grad = torch.tensor([65536.0])
scaling.undo([p])
print(float(p.grad), scaling.again(False), scaling.scale, scaling.again(True), scaling.scale)
for _ in range(1999): scaling.again(True)
print(scaling.scale)
while scaling.again(False): pass
print(scaling.scale, Scaling(on=False).again(False))`,
          worker,
        ],
        { encoding: 'utf8' },
      );
      expect(said.stdout.trim().split('\n')).toEqual([
        '1.0 True 32768.0 False 32768.0',
        '65536.0',
        '1.0 False',
      ]);
    });

    test('rsLoRA is the native engine’s; DoRA begins as LoRA does, learns its lengths, and goes on', async () => {
      const more = { overwrite_output_dir: true };
      const stable = await train('rslora', torch, more, { use_rslora: true });
      expectClose('rsLoRA', stable, await train('rslora-native', { use_rslora: true }), 1e-5);
      const [dora, plain] = [
        await train('dora', torch, { use_dora: true }),
        await train('plain', torch),
      ];
      expect(dora[0]).toBeCloseTo(plain[0]!, 6);
      expect(dora).not.toEqual(plain);
      const names = [
        ...openSafetensors(join(at('dora'), 'adapter_model.safetensors')).tensors.keys(),
      ];
      expect(names.filter((name) => name.includes('magnitude'))).toHaveLength(names.length / 3);
      expectClose('DoRA again', await goOn('dora', torch, { use_dora: true }), dora, 1e-7);
    });

    test('what is trained whole is shared among ranks, goes on, and is gone on with', async () => {
      const whole: Settings = { ...tied, additional_target: 'embed_tokens' };
      const alone = await train('module', torch, whole);
      expectClose('again', await goOn('module', torch, whole), alone, 1e-7);
      const sharded: Settings = { ...whole, fsdp: 'full_shard' };
      expectClose('FSDP2', await train('module-two', torch, two, sharded), alone, 1e-6);
      const next: Settings = { ...tied, adapter_name_or_path: at('module') };
      expectClose('next', await train('next', torch, next), await train('next-native', next), 1e-5);
    });

    test('OFT begins as no rotation, learns, goes on, and is the same on two processes', async () => {
      const oft: Settings = { finetuning_type: 'oft', oft_block_size: 16, learning_rate: 1e-2 };
      const [rotated, plain] = [await train('oft', torch, oft), await train('none', torch)];
      expect(rotated[0]).toBeCloseTo(plain[0]!, 6);
      expect(rotated.at(-1)).toBeLessThan(rotated[0]! - 0.02);
      const names = [
        ...openSafetensors(join(at('oft'), 'adapter_model.safetensors')).tensors.keys(),
      ];
      expect(names.every((name) => name.endsWith('.oft_R.weight'))).toBe(true);
      expectClose('OFT again', await goOn('oft', torch, oft), rotated, 1e-7);
      const sharded = await train('oft-two', torch, two, oft, { fsdp: 'full_shard' });
      expectClose('OFT, FSDP2', sharded, rotated, 1e-6);
    });

    test.each([[16], [-1]])(
      'PiSSA, %i iterations, saves what fits the base as it was',
      async (pissa_iter) => {
        const folder = `pissa${pissa_iter}`;
        const settings: Settings = { pissa_init: true, pissa_iter, val_size: 8, eval_steps: 3 };
        const more: Settings = { ...settings, eval_strategy: 'steps', overwrite_output_dir: true };
        const begun = await train(folder, torch, more);
        const plain = await train('from-zero', torch, { ...more, pissa_init: false });
        expect(Math.abs(begun[0]! - plain[0]!)).toBeLessThan(1e-5);
        expect(Math.abs(begun[5]! - plain[5]!)).toBeGreaterThan(1e-4);
        // The native engine puts the adapter beside the unchanged base.
        const { pissa_init: _, ...data } = more;
        const only: Settings = { ...data, do_eval: true, do_train: false, eval_strategy: 'no' };
        await train(`${folder}-native`, only, { adapter_name_or_path: folder });
        const found = evals(at(`${folder}-native`));
        expectClose('PiSSA', found.slice(-1), evals(at(folder)).slice(-1), 1e-5);
        if (pissa_iter < 0) return;
        expectClose('PiSSA again', await goOn(folder, torch, more), begun, 1e-6);
        const both = await train(`${folder}-two`, torch, two, more, { fsdp: 'full_shard' });
        expectClose('PiSSA, FSDP2', both, begun, 1e-5);
      },
    );

    test('of several adapters those before the last are merged', async () => {
      const [first, second] = ['first', 'second'];
      await train(first, { seed: 1 });
      await train(second, { seed: 2 });
      const both: Settings = { adapter_name_or_path: `${first},${second}` };
      const native = await train('both-native', both);
      expectClose('several', await train('both', torch, both), native, 1e-5);
      const last = await train('last', { adapter_name_or_path: second });
      expect(Math.abs(native[0]! - last[0]!)).toBeGreaterThan(1e-3);
    });

    test('compiled layers take the same steps', async () => {
      const compiled = await train('compiled', torch, { torch_compile: true });
      const plain = await train('as-it-is', torch);
      expectClose('compiled', compiled, plain, 1e-5);
      // Fused kernels have other last bits: equal ones would be those of layers that were not compiled.
      expect(compiled).not.toEqual(plain);
    });

    test.each([['shard_grad_op'], ['hybrid_shard']])('`fsdp: %s`', async (fsdp) => {
      const both = await train(fsdp, full, torch, two, { fsdp });
      expectClose(
        fsdp,
        both,
        await train('whole-full', full, torch, { overwrite_output_dir: true }),
        1e-6,
      );
    });
  });

  test.runIf(deep && has('bitsandbytes'))('QLoRA on bitsandbytes’ blocks', async () => {
    // Both quantize; bitsandbytes rounds the scales of scales on a CPU otherwise than on a GPU.
    const settings = {
      quantization_bit: 4,
      double_quantization: false,
      model_name_or_path: 'random:llama?hidden_size=128&num_hidden_layers=2',
    };
    const native = await train('nf4-native', settings);
    const other = await train('nf4', settings, torch);
    expectClose('NF4', other, native, 1e-5);
    expectClose('NF4 again', await goOn('nf4', settings, torch), other, 1e-7);

    // What its ranks hold, and what the native engine makes of the same numbers: the same bits.
    const models = join(place.cache, 'torch-models');
    const [model] = readdirSync(models)
      .map((name) => join(models, name))
      .filter((folder) =>
        readFileSync(join(folder, 'config.json'), 'utf8').includes('"hidden_size": 128'),
      );
    const said = spawnSync(
      python!,
      [
        '-c',
        `import hashlib, json, sys, torch; sys.path.insert(0, sys.argv[1]); from load import load
quantization = {"bits": 4, "type": "nf4", "double": False}
task = {"model": sys.argv[2], "dtype": "f32", "compute_dtype": "f32", "attention": "sdpa", "gradient_checkpointing": False, "liger": False, "quantization": quantization}
digest = lambda tensor: hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
weights = {name: p for name, p in load(task, torch.device("cpu")).named_parameters() if hasattr(p, "quant_state")}
print(json.dumps({name: [digest(p.data), digest(p.quant_state.absmax)] for name, p in weights.items()}))`,
        worker,
        model!,
      ],
      { encoding: 'utf8' },
    );
    const held: Record<string, string[]> = JSON.parse(said.stdout.trim().split('\n').at(-1)!);
    expect(Object.keys(held)).toHaveLength(2 * 7);
    const { tensors } = openSafetensors(join(model!, 'model.safetensors'));
    const digest = (values: Uint8Array | Float32Array): string =>
      createHash('sha256').update(values).digest('hex');
    for (const [name, theirs] of Object.entries(held)) {
      const { bytes, shape } = tensors.get(name)!;
      const length = shape[0]! * shape[1]!;
      const codes = new Uint8Array(length / 2);
      const scales = new Float32Array(length / 64);
      quantizeFourBit.run(bytes, 'F32', length, 'NF4', codes, scales);
      expect([digest(codes), digest(scales)], name).toEqual(theirs);
    }
  });

  test.runIf(deep)(
    '`parity` holds both engines against each other, and tells where they part',
    async () => {
      const settings = (more: Settings): string[] =>
        asArguments('unused', torch, two, { fsdp: 'full_shard' }, more);
      const same = await place.run('parity', ...settings({}), '--steps', '3', '--report', 'p.json');
      expect(same, same.err).toMatchObject({ code: 0 });
      expect(same.out).toMatch(/No step differs/);
      const report = JSON.parse(readFileSync(place.at('p.json'), 'utf8'));
      expect(report).toMatchObject({
        firstDifference: null,
        steps: [{ step: 1 }, { step: 2 }, { step: 3 }],
      });
      expect(report.weights).toBeLessThan(1e-4);
      const other = await place.run('parity', ...settings({ lora_dropout: 0.5 }), '--steps', '3');
      expect(other.code).toBe(1);
      expect(other.err).toMatch(/each engine draws its own `lora_dropout`/);
      expect(other.out).toMatch(/is the first that differs/);
    },
  );
});

const evals = (folder: string): number[] =>
  readEvents(join(folder, eventsName)).flatMap((event) =>
    event.type === 'eval-end' ? [event.metrics['eval_loss']!] : [],
  );

function expectSameWeights(found: string, wanted: string): void {
  const [a, b] = [openSafetensors(found).tensors, openSafetensors(wanted).tensors];
  expect([...a.keys()].sort()).toEqual([...b.keys()].sort());
  let [difference, size] = [0, 0];
  for (const [name, tensor] of a) {
    const [x, y] = [tensor, b.get(name)!].map(
      ({ bytes }) => new Float32Array(bytes.slice().buffer),
    );
    for (let i = 0; i < x!.length; i++) {
      difference += (x![i]! - y![i]!) ** 2;
      size += y![i]! ** 2;
    }
  }
  expect(Math.sqrt(difference / size)).toBeLessThan(1e-4);
}
