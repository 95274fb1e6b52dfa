/** @file Two engines on the same steps: how far each step's loss and gradient norm, and what was learned, lie apart. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openSafetensors } from '../../files/safetensors.ts';
import { addInto, scale } from '../../kernels/elementwise.ts';
import { sumOfSquares } from '../../kernels/reduce.ts';
import type { Job } from '../../train/job.ts';
import { engineOf } from './engines.ts';
import type { TrainRequest } from './protocol.ts';
import { ranksOf } from './torch-world.ts';

export type StepTaken = {
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly read: number;
  readonly supervised: number;
};

export type ParityReport = {
  /** How far the losses may lie apart: rounding, amplified by steps. */
  readonly band: number;
  readonly steps: readonly {
    readonly step: number;
    readonly native: number;
    readonly torch: number;
    /** torch − native. */
    readonly loss: number;
    /** torch ÷ native − 1. */
    readonly gradNorm: number;
    readonly sameTokens: boolean;
  }[];
  /** The first step beyond the band, or of other tokens. */
  readonly firstDifference: number | null;
  /** ‖torch − native‖ ÷ ‖native‖ of all that was trained. */
  readonly weights: number | null;
};

const engines = ['native', 'torch'] as const;

export type ParityInput = {
  readonly job: Job;
  readonly prepared: TrainRequest['prepared'];
  readonly version: string;
  readonly steps: number;
  /** Two run folders are made in it. */
  readonly folder: string;
  readonly progress: (engine: string, step: number) => void;
  readonly signal: AbortSignal;
};

export async function parity(input: ParityInput): Promise<ParityReport> {
  const taken = new Map<string, readonly StepTaken[]>();
  for (const engine of engines) taken.set(engine, await steps(engine, input));
  const [native = [], torch = []] = engines.map((engine) => taken.get(engine));
  // Steps of a usual rate amplify what rounding makes; bf16 rounds 2¹⁶ times as coarsely.
  const band = input.job.train.bf16 ? 5e-2 : 1e-4;
  const compared = native.map((one, i) => {
    const other = torch[i];
    return {
      step: one.step,
      native: one.loss,
      torch: other?.loss ?? Number.NaN,
      loss: (other?.loss ?? Number.NaN) - one.loss,
      gradNorm: (other?.gradNorm ?? Number.NaN) / one.gradNorm - 1,
      sameTokens: other?.read === one.read && other.supervised === one.supervised,
    };
  });
  const different = compared.find(
    ({ loss, sameTokens }) => !sameTokens || !(Math.abs(loss) <= band),
  );
  return {
    band,
    steps: compared,
    firstDifference: different?.step ?? null,
    weights: weightDifference(
      ...(engines.map((engine) => join(input.folder, engine)) as [string, string]),
    ),
  };
}

async function steps(name: (typeof engines)[number], input: ParityInput): Promise<StepTaken[]> {
  const { job, signal } = input;
  const ranks = ranksOf(job.engine);
  const { train } = job;
  const request: TrainRequest = {
    prepared: { ...input.prepared, evaluations: [] },
    version: input.version,
    detached: false,
    job: {
      ...job,
      engine: { ...job.engine, engine: name },
      train: {
        ...train,
        // What several ranks take together, one process takes alone.
        gradient_accumulation_steps:
          train.gradient_accumulation_steps *
          (name === 'native' && train.global_batch_size === null ? ranks : 1),
        do_train: true,
        max_steps: input.steps,
        output_dir: join(input.folder, name),
        overwrite_output_dir: true,
        resume_from_checkpoint: false,
        save_strategy: 'no',
        eval_strategy: 'no',
        plot_loss: false,
      },
    },
  };
  const run = engineOf({ engine: name }).train(request);
  const end = (): void => run.kill();
  signal.addEventListener('abort', end, { once: true });
  const taken: StepTaken[] = [];
  for await (const event of run.events()) {
    if (event.type !== 'step-end') continue;
    input.progress(name, event.step);
    const { step, loss, grad_norm: gradNorm, tokens } = event;
    taken.push({ step, loss, gradNorm, ...tokens });
  }
  const { error } = await run.result;
  signal.removeEventListener('abort', end);
  signal.throwIfAborted();
  if (error) throw error;
  return taken;
}

function weightDifference(native: string, torch: string): number | null {
  const files = (folder: string): string[] =>
    existsSync(folder)
      ? readdirSync(folder).filter((name) => name.endsWith('model.safetensors'))
      : [];
  const [file] = files(native);
  if (file === undefined || !files(torch).includes(file)) return null;
  const [one, other] = [native, torch].map((folder) => openSafetensors(join(folder, file)).tensors);
  if (!one || !other) return null;
  let [apart, size] = [0, 0];
  for (const [name, { bytes }] of one) {
    const mine = new Float32Array(bytes.slice().buffer);
    const theirs = other.get(name);
    if (theirs?.bytes.byteLength !== bytes.byteLength) return null;
    const difference = new Float32Array(mine.length);
    scale.run(new Float32Array(theirs.bytes.slice().buffer), -1, difference);
    addInto.run(mine, difference);
    apart += sumOfSquares.run(difference);
    size += sumOfSquares.run(mine);
  }
  return Math.sqrt(apart / size);
}
