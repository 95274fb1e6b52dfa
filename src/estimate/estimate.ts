/** @file What a training will take: memory by class and time, before a weight is read. */
import { Memory, type MemoryClass, memoryClasses } from '../engine/memory.ts';
import type { ModelSource } from '../models/source.ts';
import { instructionSet, threads } from '../native/machine.ts';
import { peakMemory } from '../native/memory.ts';
import type { Job } from '../train/job.ts';
import { CostModel, type MachineFacts, probeMachine } from './cost-model.ts';
import { type DryRun, type DryStep, dryRun } from './dry-run.ts';
import type { Sample } from './sample.ts';
import type { Tally } from './tally.ts';

/** `process` is what lies outside the pools: Node, the program, and what JavaScript holds. */
export type MemoryKind = MemoryClass | 'process';

export type Estimate = {
  /** Bytes at the peak. */
  readonly memory: { readonly total: number; readonly kinds: Readonly<Record<MemoryKind, number>> };
  readonly parameters: { readonly all: number; readonly trainable: number };
  readonly step: {
    readonly tokens: number;
    readonly targets: number;
    readonly flops: number;
    readonly seconds: number;
  };
  readonly steps: number;
  /** Of all steps. */
  readonly seconds: number;
  readonly machine: MachineFacts & { readonly instructions: string; readonly threads: number };
};

/** Seconds that distinct kernel calls are timed for. */
const timingBudget = 0.6;

/**
 * Runs the sample dry in this process, then times its kernels. `model` is what is known of the machine already:
 * where it is given nothing is timed. `otherMemory` is what this process holds and a training would not.
 */
export async function estimate(
  job: Job,
  source: ModelSource,
  sample: Sample,
  given: { readonly model?: CostModel; readonly otherMemory?: number } = {},
): Promise<{ readonly estimate: Estimate; readonly model: CostModel }> {
  const dry = await dryRun(job, source, sample.steps, new Memory());
  const process = peakMemory() - (given.otherMemory ?? 0);
  const model = given.model ?? (await timeKernels(job, source, sample));
  return { estimate: conclude(dry, process, sample, model), model };
}

/** Times the calls of one step, each distinct one once, on memory that is touched. */
async function timeKernels(job: Job, source: ModelSource, sample: Sample): Promise<CostModel> {
  const model = new CostModel(probeMachine());
  let spent = 0;
  await dryRun(job, source, sample.steps.slice(0, 1), new Memory(), (call) => {
    if (spent > timingBudget || model.knows(call.cost())) return 0;
    const start = performance.now();
    const result = model.trial(call);
    spent += (performance.now() - start) / 1000;
    return result;
  });
  return model;
}

function conclude(dry: DryRun, process: number, sample: Sample, model: CostModel): Estimate {
  const kinds = { ...dry.memory, process };
  const total = [...memoryClasses, 'process' as const].reduce((sum, kind) => sum + kinds[kind], 0);
  const time = (tally: Tally): number => tally.sum((cost) => model.seconds(cost));
  const ofAll = (value: (step: DryStep) => number): number =>
    dry.steps.reduce((sum, step) => sum + value(step), 0);
  const tokens = ofAll((step) => step.tokens);
  // By tokens: what a sampled step lacks of its micro-batches, it lacks in both.
  const perStep = (value: (step: DryStep) => number): number =>
    (ofAll(value) / tokens) * sample.mean.tokens;
  const seconds =
    perStep(({ learn, seconds }) => time(learn) + seconds) +
    ofAll(({ update }) => time(update)) / dry.steps.length;
  return {
    memory: { total, kinds },
    parameters: dry.parameters,
    step: {
      tokens: sample.mean.tokens,
      targets: sample.mean.targets,
      flops: perStep(({ learn }) => learn.flops),
      seconds,
    },
    steps: sample.totalSteps,
    seconds: seconds * sample.totalSteps,
    machine: { ...model.facts, instructions: instructionSet(), threads: threads() },
  };
}
