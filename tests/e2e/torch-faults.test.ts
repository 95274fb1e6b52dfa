/** @file What ends a training of the torch engine, and what it refuses: killed at aimed moments, stopped, and asked for what cannot be. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { eventsName, readEvents } from '../../src/runs/events-file.ts';
import { isAlive as alive, type Ended, until } from './cli.ts';
import { childrenOf, descendantsOf } from './processes.ts';
import {
  deep,
  expectClose,
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

describe.runIf(there)('the torch engine’s ends', () => {
  const { place, asArguments, train } = torchRuns();
  const at = (folder: string): string => place.at(folder);
  afterAll(() => place.remove());

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

    test('GPUs that are not there', async () => {
      // No Python is asked how many there are before the run begins.
      vi.stubEnv('CUDA_VISIBLE_DEVICES', '0');
      const several = await refused({ nproc_per_node: 2 });
      expect(several.err).toMatch(
        /error\[torch\/too-few-gpus\]: `nproc_per_node` is 2, and this machine has one GPU/,
      );
      vi.stubEnv('CUDA_VISIBLE_DEVICES', '63');
      const { err } = await refused();
      vi.unstubAllEnvs();
      expect(err).toMatch(/error\[torch\/no-gpu\]: GPU 0 is wanted, and PyTorch \S+ sees none/);
      expect(err).toMatch(/`use_cpu: true` leaves them alone/);
    });

    test.skipIf(has('flash_attn'))('flash-attention where its package is not', async () => {
      const { err } = await refused({ flash_attn: 'fa2' });
      expect(err).toMatch(/error\[torch\/broken-environment\]: .*: it has no flash_attn\n/);
      expect(err).not.toMatch(/the native engine always/);
    });

    test('memory of a GPU that runs out is one line', () => {
      const said = spawnSync(
        python!,
        [
          '-c',
          `import sys; sys.path.insert(0, sys.argv[1]); from faults import kind_of, words
class OutOfMemoryError(RuntimeError): pass
full = OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.18 GiB of which 1.00 GiB is free. Including non-PyTorch memory, this process has 70.43 GiB memory in use. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF")
blas = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)")
other = RuntimeError("CUDA error: device-side assert triggered\\nSearch for \`cudaErrorAssert' in the docs\\nCUDA kernel errors might be reported later")
for error in (full, blas, other): print(kind_of(error), words(error))`,
          worker,
        ],
        { encoding: 'utf8' },
      );
      expect(said.stdout.trim().split('\n')).toEqual([
        'out-of-memory OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.18 GiB of which 1.00 GiB is free',
        'out-of-memory RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)',
        'error RuntimeError: CUDA error: device-side assert triggered',
      ]);
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
