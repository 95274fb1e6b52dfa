/**
 * @file A training that computes nothing: the engine's own code on address space that nobody touches, its kernels
 * counted in place of run. What its pools then reserve is what a real run's will.
 */
import { Memory, type MemoryClass, memoryClasses } from '../engine/memory.ts';
import type { Row } from '../engine/micro-batches.ts';
import { type KernelCall, observeKernels } from '../kernels/kernel.ts';
import { methods } from '../methods/index.ts';
import type { ModelSource } from '../models/source.ts';
import { allocate } from '../native/memory.ts';
import type { TrainHost } from '../train/host.ts';
import type { Job } from '../train/job.ts';
import { loadToTrain, tune } from '../train/load.ts';
import type { Plan } from '../train/loop.ts';
import { train } from '../train/train.ts';
import { Tally } from './tally.ts';

/** All of a row that time and memory depend on. */
export type RowShape = {
  /** Tokens of each of its documents. */
  readonly documents: readonly number[];
  readonly targets: number;
};

export type DryStep = {
  readonly tokens: number;
  /** Forward and backward of all its micro-batches. */
  readonly learn: Tally;
  /** Clipping and the optimizer. */
  readonly update: Tally;
  /** Time of the JavaScript that a real run has as well. */
  readonly seconds: number;
};

export type DryRun = {
  /** Bytes that each class reserved in the end. */
  readonly memory: Readonly<Record<MemoryClass, number>>;
  readonly parameters: { readonly all: number; readonly trainable: number };
  readonly steps: readonly DryStep[];
};

const spaces = new Map<number, ArrayBuffer>();

/** Memory for a run that touches none: all such share one address space, which is taken once. */
export const untouchedMemory = (): Memory =>
  new Memory((bytes) => {
    const space = spaces.get(bytes) ?? allocate(bytes);
    spaces.set(bytes, space);
    return space;
  });

/** What becomes of each kernel call; its result is what the engine goes on with. */
export type DryKernels = (call: KernelCall) => unknown;

/** Results that the engine reads are sums of what nobody computed. */
export const countOnly: DryKernels = () => 0;

/**
 * Loads, tunes, and learns `steps`. `source` holds no numbers (`withoutNumbers`). Only `learn` sees the calls of the
 * steps; those of loading are never run.
 */
export async function dryRun(
  job: Job,
  source: ModelSource,
  steps: readonly (readonly RowShape[])[],
  memory: Memory,
  learn: DryKernels = countOnly,
): Promise<DryRun> {
  let now: DryKernels = countOnly;
  let tally = new Tally();
  const before = observeKernels((call) => {
    tally.add(call.cost());
    return now(call);
  });
  try {
    const loaded = await loadToTrain(job, source, memory);
    const tuned = tune(job, loaded, memory, []);
    now = learn;
    const rows = steps.flat().map(rowOf);
    const done: DryStep[] = [];
    let learned = new Tally();
    let began = performance.now();
    tally = new Tally();
    const host = dryHost({
      microBatch() {
        learned.merge(tally);
        tally = new Tally();
      },
      step(tokens) {
        const seconds = (performance.now() - began) / 1000;
        done.push({ tokens, learn: learned, update: tally, seconds });
        learned = new Tally();
        tally = new Tally();
        began = performance.now();
      },
    });
    await train({
      settings: quiet(job),
      method: methods[job.method.stage],
      model: loaded.model,
      parameters: tuned.parameters,
      memory,
      rows: { count: rows.length, row: (i) => rows[i], place: () => undefined },
      plan: planOf(steps),
      evalSets: [],
      host,
      saveModel() {},
    });
    const elements = (parameters: Iterable<{ shape: readonly number[] }>): number =>
      [...parameters].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const account = memory.account();
    return {
      memory: Object.fromEntries(
        memoryClasses.map((name) => [name, account[name].reserved]),
      ) as DryRun['memory'],
      parameters: {
        all: elements(source.weights.names().map((name) => source.weights.get(name))),
        trainable: elements(tuned.parameters.values()),
      },
      steps: done,
    };
  } finally {
    observeKernels(before);
  }
}

/** Nothing is saved, evaluated or resumed. */
const quiet = ({ train }: Job): Job['train'] => ({
  ...train,
  do_train: true,
  save_strategy: 'no',
  eval_strategy: 'no',
  logging_strategy: 'no',
  load_best_model_at_end: false,
});

function rowOf({ documents, targets }: RowShape, row: number): Row {
  const length = documents.reduce((a, b) => a + b, 0);
  const labels = new Int32Array(length).fill(-100);
  // From the end, where replies are; the first of a document is never a target.
  let left = targets;
  let end = length;
  for (const document of documents.toReversed()) {
    const count = Math.min(left, document - 1);
    labels.fill(0, end - count, end);
    left -= count;
    end -= document;
  }
  return { row, ids: new Int32Array(length), labels, documents: Int32Array.from(documents) };
}

function planOf(steps: readonly (readonly RowShape[])[]): Plan {
  const starts = [0];
  for (const rows of steps) starts.push(starts.at(-1)! + rows.length);
  return {
    steps: steps.length,
    rows: (step) => Array.from(steps[step], (_, i) => starts[step] + i),
    targets: (step) =>
      Math.max(
        1,
        steps[step].reduce((sum, { targets }) => sum + targets, 0),
      ),
    examples: (step) => steps[step].reduce((sum, { documents }) => sum + documents.length, 0),
    epoch: (step) => (step + 1) / steps.length,
  };
}

function dryHost(ends: { microBatch(): void; step(tokens: number): void }): TrainHost {
  return {
    outputDir: '',
    resume: undefined,
    emit(event) {
      if (event.type === 'step-end') ends.step(event.tokens.read);
    },
    async turn() {
      ends.microBatch();
    },
    command: () => 'continue',
    rowLosses() {},
    log() {},
    async save() {},
  };
}
