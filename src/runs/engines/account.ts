/** @file A run's own account: what was predicted of its memory and time, and what it came to. */
import { join } from 'node:path';
import type { EventBody } from '../../core/events.ts';
import { type Memory, memoryClasses } from '../../engine/memory.ts';
import { CostModel, probeMachine } from '../../estimate/cost-model.ts';
import { withoutNumbers } from '../../estimate/dry-source.ts';
import { estimate, type Given } from '../../estimate/estimate.ts';
import { keepRates, readRates } from '../../estimate/kept-rates.ts';
import type { Sample } from '../../estimate/sample.ts';
import { writeFileAtomic } from '../../files/atomic.ts';
import { observeKernels } from '../../kernels/kernel.ts';
import type { ModelSource } from '../../models/source.ts';
import { peakMemory } from '../../native/memory.ts';
import type { TrainHost } from '../../train/host.ts';
import type { Job } from '../../train/job.ts';

export const accountName = 'account.json';

type Parts = {
  readonly job: Job;
  readonly source: ModelSource;
  readonly memory: Memory;
  readonly sample: Sample;
  /** Whether the second step's kernels are timed, for later predictions. */
  readonly timesKernels: boolean;
};

export type Accountant = {
  /** The loop's host: it predicts before the second step, and times that step's kernels for later predictions. */
  readonly host: TrainHost;
  /** Tells what it came to, and writes it beside what was predicted. */
  end(): void;
};

export function accountant(host: TrainHost, parts: Parts): Accountant {
  const { memory } = parts;
  const seconds: number[] = [];
  let predicted: EventBody<'estimate'> | undefined;
  let tried = false;
  let stopTiming: (() => void) | undefined;
  const reserved = (): number =>
    memoryClasses.reduce((sum, name) => sum + memory[name].reserved, 0);

  // A run does not end because nobody could say how long it takes.
  const told = (error: unknown): void =>
    host.emit({
      type: 'warning',
      code: 'runs/no-estimate',
      message: `this run could not be estimated: ${error instanceof Error ? error.message : String(error)}`,
      help: 'this is a fault of Tunery: please report it; the run goes on',
    });

  const predict = async (): Promise<void> => {
    const model = readRates() ?? new CostModel(probeMachine());
    const given = { model, budget: 0, otherMemory: reserved() };
    predicted = await estimateEvent(parts, given, host.resume?.step ?? 0);
    host.emit(predicted);
    if (!parts.timesKernels) return;
    const seen = new CostModel(model.facts);
    const before = observeKernels((call) => seen.follow(call));
    stopTiming = () => {
      observeKernels(before);
      keepRates(seen);
      stopTiming = undefined;
    };
  };

  return {
    host: {
      ...host,
      emit(event) {
        host.emit(event);
        if (event.type !== 'step-end') return;
        seconds.push(event.seconds);
        stopTiming?.();
      },
      async turn() {
        await host.turn();
        if (seconds.length === 1 && !tried) {
          tried = true;
          await predict().catch(told);
        }
      },
    },
    end() {
      stopTiming?.();
      if (seconds.length === 0) return;
      const total = peakMemory();
      const kinds = { ...reservedOf(memory), process: total - reserved() };
      const measured: EventBody<'account'> = {
        type: 'account',
        memory: total,
        memory_kinds: kinds,
        // The first step touches fresh memory, and finds its code cold.
        step_seconds: median(seconds.slice(seconds.length > 2 ? 2 : seconds.length - 1)),
        seconds: seconds.reduce((a, b) => a + b, 0),
      };
      host.emit(measured);
      const text = JSON.stringify({ predicted: predicted ?? null, measured }, null, 2);
      writeFileAtomic(join(host.outputDir, accountName), `${text}\n`);
    },
  };
}

async function estimateEvent(
  { job, source, sample }: Parts,
  given: Given,
  done: number,
): Promise<EventBody<'estimate'>> {
  const { estimate: said } = await estimate(job, withoutNumbers(source), sample, given);
  return {
    type: 'estimate',
    memory: said.memory.total,
    memory_kinds: said.memory.kinds,
    step_seconds: said.step.seconds,
    seconds: (said.seconds * (said.steps - done)) / said.steps,
  };
}

const reservedOf = (memory: Memory): Record<string, number> =>
  Object.fromEntries(memoryClasses.map((name) => [name, memory[name].reserved]));

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
