/**
 * @file The torch engine beside the native one: the real program with a real Python, on a tiny model. Deep, with
 * `TUNERY_ORACLE_PYTHON` set; what needs DeepSpeed or bitsandbytes is skipped by name where that Python has none.
 * With `TUNERY_TORCH=1` a short leg of it runs in the fast suite, in the environment that `tunery engine install` made.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openSafetensors } from '../../src/files/safetensors.ts';
import { quantizeFourBit } from '../../src/kernels/quantize.ts';
import { environment } from '../../src/native/environment.ts';
import { installedPython } from '../../src/runs/engines/torch-environment.ts';
import { eventsName, readEvents } from '../../src/runs/events-file.ts';
import { isAlive as alive, type Ended, makePlace, until } from './cli.ts';
import { childrenOf, descendantsOf } from './processes.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

const leg = environment('TUNERY_TORCH') !== undefined;
const python = environment('TUNERY_ORACLE_PYTHON') ?? (leg ? installedPython() : undefined);
const deep = environment('TUNERY_DEEP') !== undefined;
const there = (deep || leg) && python !== undefined;
const identity = fileURLToPath(new URL('../../data/identity.json', import.meta.url));
const worker = fileURLToPath(new URL('../../workers/torch', import.meta.url));

const has = (module: string): boolean =>
  there && spawnSync(python, ['-c', `import ${module}`]).status === 0;

type Settings = Readonly<Record<string, string | number | boolean>>;

const base: Settings = {
  model_name_or_path: 'random:llama?hidden_size=64&num_hidden_layers=2',
  dataset: 'identity.json',
  cutoff_len: 128,
  per_device_train_batch_size: 4,
  global_batch_size: 8,
  learning_rate: 1e-3,
  max_steps: 6,
  logging_steps: 1,
  save_steps: 3,
  // Two ranks and their leader share two cores: threads that wait for each other would spin.
  threads: 1,
};
const torch: Settings = { engine: 'torch', engine_python: python ?? '' };
const full: Settings = { finetuning_type: 'full', packing: true };
const two: Settings = { nproc_per_node: 2 };

describe.runIf(there)('the torch engine', () => {
  // Two ranks on two cores, and a compiler for some.
  const place = makePlace(undefined, 280_000);
  const at = (folder: string): string => place.at(folder);
  beforeAll(() => {
    copyFileSync(identity, place.at('identity.json'));
    if (!deep || !has('deepspeed')) return;
    // It compiles a part of itself at its first use, in a minute or more.
    const build = 'from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder as B; B().load()';
    spawnSync(python!, ['-c', build], { env: { ...process.env, DS_ACCELERATOR: 'cpu' } });
  }, 600_000);
  afterAll(() => place.remove());

  const asArguments = (folder: string, ...settings: readonly Settings[]): string[] =>
    Object.entries(Object.assign({ output_dir: folder }, base, ...settings)).map(
      ([key, value]) => `${key}=${value}`,
    );

  async function train(folder: string, ...settings: readonly Settings[]): Promise<number[]> {
    const ended = await place.run('train', ...asArguments(folder, ...settings));
    expect(ended, ended.err).toMatchObject({ code: 0, hung: false });
    return losses(at(folder));
  }

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

  describe.runIf(deep)(
    'each rank takes what `estimate --gpu` says, class by class within a tenth',
    () => {
      const zero = (stage: number): Settings => ({ deepspeed: `account${stage}.json` });
      beforeAll(() => {
        for (const stage of [1, 2, 3]) {
          const auto = {
            reduce_bucket_size: 'auto',
            stage3_prefetch_bucket_size: 'auto',
            stage3_param_persistence_threshold: 'auto',
          };
          const config = { zero_optimization: { stage, ...auto } };
          writeFileSync(place.at(`account${stage}.json`), JSON.stringify(config));
        }
      });
      const layouts: readonly [string, Settings][] = [
        ['DDP', {}],
        ['FSDP2', { fsdp: 'full_shard' }],
        ...(has('deepspeed')
          ? [1, 2, 3].map((stage): [string, Settings] => [`ZeRO ${stage}`, zero(stage)])
          : []),
      ];
      const ways: readonly [string, Settings][] = [
        ['full', { ...full, gradient_checkpointing: false }],
        ['LoRA, bf16', { bf16: true, gradient_checkpointing: false }],
      ];
      const cases = layouts.flatMap(([layout, a]) =>
        ways.map(([way, b]): [string, Settings] => [`${layout}, ${way}`, { ...a, ...b }]),
      );

      test.each(cases)('%s', async (name, settings) => {
        const steps = { max_steps: 2, micro_batch_tokens: 300, save_strategy: 'no' };
        const job = asArguments('account', torch, two, settings, steps, {
          overwrite_output_dir: true,
          model_name_or_path:
            'random:llama?hidden_size=128&intermediate_size=256&num_hidden_layers=4',
        });
        const ended = await place.run('train', ...job, '--profile', 'account.json');
        expect(ended, ended.err).toMatchObject({ code: 0 });
        type Kinds = Readonly<Record<string, number>>;
        const { ranks } = JSON.parse(readFileSync(place.at('account.json'), 'utf8')) as {
          ranks: readonly { predicted: Kinds; measured: Kinds }[];
        };
        expect(ranks).toHaveLength(2);
        for (const { predicted, measured } of ranks) {
          // What FSDP2 and DeepSpeed send passes too quickly to be counted.
          for (const kind of Object.keys(measured)) {
            const [said = 0, was = 0] = [predicted[kind], measured[kind]];
            if (kind === 'communication' && was === 0) continue;
            console.log(`${name}: ${kind} ${said} for ${was}`);
            // Scalars, and padding to whole blocks of memory, weigh in so small a model alone.
            expect(Math.abs(said - was), `${kind}: ${said} for ${was}`).toBeLessThan(
              was / 10 + 8192,
            );
          }
        }
      });
    },
  );

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

    test('compiled layers take the same steps', async () => {
      const compiled = await train('compiled', torch, { torch_compile: true });
      expectClose('compiled', compiled, await train('as-it-is', torch), 1e-5);
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

  describe('whoever is killed', () => {
    // One rate throughout: no step depends on how many are to come.
    const steady = { lr_scheduler_type: 'constant', save_steps: 4, save_total_limit: 2 };
    const long = { ...steady, max_steps: 100_000 };
    let whole: number[];
    beforeAll(async () => {
      whole = await train('uninterrupted', torch, two, steady, { max_steps: 80, save_steps: 80 });
    });

    const moments = deep ? (['a step', 'a save'] as const) : (['a save'] as const);
    const victims = deep
      ? (['a rank', 'all ranks', 'the leader', 'the command'] as const)
      : (['a rank'] as const);
    test.each(moments.flatMap((moment) => victims.map((victim) => ({ moment, victim }))))(
      '$victim, during $moment: no process is left, and the run goes on',
      async ({ moment, victim }) => {
        const folder = `killed-${victim}-${moment}`.replaceAll(' ', '-');
        const running = place.start('train', ...asArguments(folder, torch, two, long));
        const saving = (): boolean =>
          readdirSync(at(folder)).some((name) => /^\.checkpoint-/.test(name));
        await until('a checkpoint', () => checkpoints(at(folder)).length > 0, 120_000);
        const [leader] = childrenOf(running.pid).filter(({ command }) =>
          command.includes('torch-child'),
        );
        const ranks = childrenOf(leader!.pid).map(({ pid }) => pid);
        expect(ranks).toHaveLength(2);
        const kill = {
          'a rank': ranks.slice(1),
          'all ranks': ranks,
          'the leader': [leader!.pid],
          'the command': [running.pid],
        }[victim];
        // Frozen first, so that it is known what they were doing.
        await aim([...ranks, leader!.pid], () => saving() === (moment === 'a save'));
        for (const pid of kill) process.kill(pid, 'SIGKILL');
        for (const pid of [...ranks, leader!.pid])
          if (!kill.includes(pid)) process.kill(pid, 'SIGCONT');
        const { code, err } = await running.ended;
        if (victim !== 'the command') expect(code).toBe(1);
        if (victim === 'a rank')
          expect(err).toMatch(
            /error\[torch\/rank-failed\]: rank 1 of the torch engine has failed: it was ended by SIGKILL/,
          );
        await until(
          'all are gone',
          () => [leader!.pid, ...ranks].every((pid) => !alive(pid)),
          10_000,
        );
        const newest = Math.max(...checkpoints(at(folder)));
        expect(newest + 3).toBeLessThanOrEqual(whole.length);
        const last = { max_steps: newest + 3, resume_from_checkpoint: true };
        // Another number of ranks takes the same steps.
        const again = await train(folder, torch, victim === 'the leader' ? {} : two, long, last);
        const redone = readEvents(join(at(folder), eventsName))
          .filter(({ type }) => type === 'step-end')
          .slice(-3);
        expect(redone.map((event) => 'step' in event && event.step)).toEqual(
          [1, 2, 3].map((i) => newest + i),
        );
        expectClose(
          `${victim}, during ${moment}`,
          again.slice(0, newest + 3),
          whole.slice(0, newest + 3),
          1e-6,
        );
        expect(saving()).toBe(false);
      },
    );

    test('Ctrl+C saves at the step boundary, and all are gone within ten seconds', async () => {
      const running = place.start(
        'train',
        ...asArguments('stopped', torch, two, long, { save_steps: 5000 }),
      );
      await until('three steps', () => losses(at('stopped')).length > 2, 120_000);
      const all = descendantsOf(running.pid);
      const began = performance.now();
      process.kill(running.pid, 'SIGINT');
      const { code } = await running.ended;
      expect(code).toBe(130);
      expect(all.filter(alive)).toEqual([]);
      expect(performance.now() - began).toBeLessThan(10_000);
      expect(readdirSync(at('stopped'))).toContain(`checkpoint-${losses(at('stopped')).length}`);
    });
  });

  describe('what cannot be', () => {
    const refused = async (...settings: readonly Settings[]): Promise<Ended> => {
      const ended = await place.run('train', ...asArguments('refused', torch, ...settings));
      expect(ended.code).toBe(1);
      expect(ended.err).not.toMatch(/\n {4}at /);
      return ended;
    };

    test('a Python that is not there, or has no torch', async () => {
      expect((await refused({ engine_python: '/nowhere/python' })).err).toMatch(
        /error\[torch\/no-python\]/,
      );
      expect((await refused({ engine_python: '/usr/bin/env' })).err).toMatch(/error\[torch\//);
    });

    test('a package that a Python lacks, before an earlier run is touched', async () => {
      await train('earlier', torch);
      const again = await place.run(
        'train',
        ...asArguments('earlier', torch, { enable_liger_kernel: true, overwrite_output_dir: true }),
      );
      expect(again.err).toMatch(
        /error\[torch\/broken-environment\]: .* cannot run the torch engine: it has no liger_kernel/,
      );
      expect(readdirSync(at('earlier'))).toContain('adapter_model.safetensors');
    });

    test('a DeepSpeed file of another batch', async () => {
      writeFileSync(place.at('other.json'), JSON.stringify({ train_batch_size: 64 }));
      const { err } = await refused({ deepspeed: 'other.json' });
      expect(err).toMatch(
        /error\[torch\/deepspeed-conflict\]: `train_batch_size` is 64 in the DeepSpeed file, and a step of this run has 8 rows/,
      );
    });
  });
});

const checkpoints = (folder: string): number[] =>
  (existsSync(folder) ? readdirSync(folder) : [])
    .flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number);

/** Freezes processes at a moment at which something holds. */
async function aim(pids: readonly number[], holds: () => boolean): Promise<void> {
  const signal = (name: NodeJS.Signals): void => {
    for (const pid of pids) process.kill(pid, name);
  };
  await until(
    'the moment',
    () => {
      if (!holds()) return false;
      signal('SIGSTOP');
      if (holds()) return true;
      signal('SIGCONT');
      return false;
    },
    60_000,
  );
}

function losses(folder: string): number[] {
  const steps = new Map<number, number>();
  try {
    for (const event of readEvents(join(folder, eventsName)))
      if (event.type === 'step-end') steps.set(event.step, event.loss);
  } catch {
    // Not begun.
  }
  return [...steps].sort(([a], [b]) => a - b).map(([, loss]) => loss);
}

const evals = (folder: string): number[] =>
  readEvents(join(folder, eventsName)).flatMap((event) =>
    event.type === 'eval-end' ? [event.metrics['eval_loss']!] : [],
  );

function expectClose(
  name: string,
  found: readonly number[],
  wanted: readonly number[],
  within: number,
): void {
  expect(found).toHaveLength(wanted.length);
  const differences = found.map((loss, i) => Math.abs(loss - wanted[i]!));
  console.log(`${name}: losses within ${Math.max(...differences).toExponential(1)}`);
  expect(Math.max(...differences)).toBeLessThan(within);
}

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
