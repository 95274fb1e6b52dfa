/**
 * @file An engine's process with a loop of a few lines in the place of the real one: all that is around it, from the lock to
 * the checkpoints, is the real thing. Its one parameter depends on every step, so a step lost or done twice shows.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../src/files/atomic.ts';
import { serveParent, type TrainContext } from '../../src/runs/engines/child.ts';
import type { TrainRequest } from '../../src/runs/engines/protocol.ts';
import { runInFolder } from '../../src/runs/engines/run-in-folder.ts';
import { fingerprintOf } from '../../src/runs/fingerprint.ts';
import type { TrainHost } from '../../src/train/host.ts';

const width = 4096;
const rowsOfStep = 4;

/** The request's `prepared.train` says how the fake behaves. */
type Behavior = {
  readonly data?: string;
  readonly microBatchMs?: number;
  readonly crash?: 'exit' | 'throw';
  readonly atStep?: number;
  /** It waits before its tenth step until this file is there. */
  readonly holdFor?: string;
};

serveParent({ train, session });

function train(request: TrainRequest, context: TrainContext) {
  const behavior: Behavior = JSON.parse(request.prepared.train ?? '{}');
  const fingerprint = fingerprintOf({
    job: request.job,
    modelDigest: 'fake-model',
    dataDigest: behavior.data ?? 'fake-data',
    plan: 'fake-plan',
    adapter: null,
    code: request.version,
    isa: 'fake',
  });
  return runInFolder(
    request,
    fingerprint,
    request.job.train.max_steps,
    context,
    'native',
    async () => (host) => loop(host, request, behavior),
  );
}

async function loop(
  host: TrainHost,
  { job: { train } }: TrainRequest,
  { microBatchMs = 0, crash, atStep, holdFor }: Behavior,
): Promise<'finished' | 'stopped'> {
  const weights = new Float64Array(width).fill(1);
  const saved = host.resume?.tensors.get('weights');
  if (saved) new Uint8Array(weights.buffer).set(saved.bytes);

  const save = (step: number) =>
    host.save(step, {
      tensors: [{ name: 'weights', dtype: 'F64', shape: [width], data: weights }],
      state: { step },
      files: (folder) => writeFileAtomic(join(folder, 'adapter.bin'), adapterOf(weights)),
    });

  for (let step = (host.resume?.step ?? 0) + 1; step <= train.max_steps; step++) {
    while (holdFor !== undefined && step === 10 && !existsSync(holdFor)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (let micro = 0; micro < 2; micro++) {
      await host.turn();
      if (microBatchMs > 0) await new Promise((resolve) => setTimeout(resolve, microBatchMs));
      for (let i = 0; i < width; i++) {
        weights[i] = Math.sin(weights[i]! * 1.3 + step + i / width) + micro / 7;
      }
    }
    if (step === atStep && crash === 'exit') process.kill(process.pid, 'SIGSEGV');
    if (step === atStep && crash === 'throw') throw new Error('the fake broke');
    const loss = 3 / step + Math.abs(weights[0]!) / 10;
    const rows = Array.from({ length: rowsOfStep }, (_, i) => step * rowsOfStep + i);
    host.rowLosses(
      step,
      rows,
      rows.map((row) => loss * row),
      rows.map(() => 10),
    );
    host.emit({
      type: 'step-end',
      step,
      epoch: step / 10,
      loss,
      grad_norm: 1,
      learning_rate: train.learning_rate,
      tokens: { read: 100, supervised: 40 },
      seconds: 0.01,
      memory: process.memoryUsage.rss(),
      metrics: {},
    });
    if (step % train.logging_steps === 0) {
      host.log({ step, epoch: step / 10, loss, grad_norm: 1, learning_rate: train.learning_rate });
    }
    const command = host.command();
    if (step % train.save_steps === 0 || step === train.max_steps || command !== 'continue') {
      await save(step);
    }
    if (command === 'stop' && step < train.max_steps) return 'stopped';
  }
  writeFileAtomic(join(host.outputDir, 'adapter.bin'), adapterOf(weights));
  return 'finished';
}

const adapterOf = (weights: Float64Array): string =>
  createHash('sha256').update(new Uint8Array(weights.buffer)).digest('hex');

/** Counts up to `n`, a part each; fails at 13. */
async function session() {
  return {
    about: { context_length: 7 },
    methods: {
      async count(
        params: unknown,
        { part, signal }: { part: (value: unknown) => void; signal: AbortSignal },
      ) {
        const n = Number(params);
        let given = 0;
        for (; given < n && !signal.aborted; given++) {
          if (given === 13) throw new Error('thirteen');
          part(Float32Array.of(given));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        return { given, cancelled: signal.aborted };
      },
      async die() {
        process.kill(process.pid, 'SIGKILL');
      },
    },
  };
}
