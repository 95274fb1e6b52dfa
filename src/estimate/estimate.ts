/** @file What a training will take: memory by class and time, before a weight is read. */
import { Memory, type MemoryClass, memoryClasses } from '../engine/memory.ts';
import type { ModelSource } from '../models/source.ts';
import { instructionSet, threads } from '../native/machine.ts';
import { peakMemory } from '../native/memory.ts';
import type { Job } from '../train/job.ts';
import { CostModel, type MachineFacts, probeMachine } from './cost-model.ts';
import { type DryRun, type DryStep, dryRun, untouchedMemory } from './dry-run.ts';
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

/** Seconds that distinct kernel calls are timed for, and of them those of one kind: no kind must use up what others need. */
const timingBudget = 2;
const budgetOfKind = 0.15;

export type Given = {
  /** What is known of the machine already: without it, it is measured first. */
  readonly model?: CostModel | undefined;
  /** Seconds that kernels of unknown kinds are timed for: 0 times none. */
  readonly budget?: number;
  /** What this process takes beside the pools, where another estimate has told. */
  readonly process?: number | undefined;
  /** What its pools hold that are none of the dry run's. */
  readonly otherMemory?: number;
};

/** Runs the sample dry in this process, then times its kernels. */
export async function estimate(
  job: Job,
  source: ModelSource,
  sample: Sample,
  given: Given = {},
): Promise<{ readonly estimate: Estimate; readonly model: CostModel }> {
  const dry = await dryRun(job, source, sample.steps, untouchedMemory());
  const process = given.process ?? peakMemory() - (given.otherMemory ?? 0);
  const model = given.model ?? new CostModel(probeMachine());
  const budget = given.budget ?? timingBudget;
  if (budget > 0) await timeKernels(job, source, sample, model, budget);
  return { estimate: conclude(dry, process, sample, model), model };
}

/**
 * Times calls of one step, on memory that is touched: each distinct one once of a model that knows nothing, else those
 * of kinds that it does not know.
 */
async function timeKernels(
  job: Job,
  source: ModelSource,
  sample: Sample,
  model: CostModel,
  budget: number,
): Promise<void> {
  const known = new Set(Object.keys(model.kept.rates));
  const spentOnKind = new Map<string, number>();
  let spent = 0;
  await dryRun(job, source, sample.steps.slice(0, 1), new Memory(), (call) => {
    const cost = call.cost();
    const onKind = spentOnKind.get(cost.rate) ?? 0;
    if (spent > budget || onKind > budgetOfKind) return 0;
    if (known.has(cost.rate) || model.knows(cost)) return 0;
    const start = performance.now();
    let result: unknown = 0;
    try {
      result = model.trial(call);
    } catch {
      // What refuses to run here is reckoned; the training itself will say why.
    }
    const took = (performance.now() - start) / 1000;
    spent += took;
    spentOnKind.set(cost.rate, onKind + took);
    return result;
  });
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
