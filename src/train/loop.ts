/** @file The training loop: every method's and every engine's. It says when and at what rate; a learner computes. */
import { countWarmupSteps, learningRateAt, makeSchedule } from '../engine/optim/schedules.ts';
import {
  type Checkpoint,
  type CheckpointContents,
  checkpointFolder,
  readCheckpoint,
} from './checkpoint.ts';
import type { TrainHost } from './host.ts';
import type { TrainSettings } from './settings.ts';
import { newState, readState, type State } from './state.ts';

/** Which rows form each step, and what the step's sums are divided by. */
export type Plan = {
  readonly steps: number;
  rows(step: number): ArrayLike<number>;
  targets(step: number): number;
  examples(step: number): number;
  /** Epochs done after the step. */
  epoch(step: number): number;
};

/** What a step came to. */
export type Learned = {
  /** Sum of the method's terms, each divided by its normalizer of the whole step. */
  readonly loss: number;
  /** Before clipping. */
  readonly gradNorm: number;
  readonly tokens: { readonly read: number; readonly supervised: number };
  readonly metrics: Readonly<Record<string, number>>;
  /** Resident bytes. */
  readonly memory: number;
  /** Of each row, its loss sum over its targets. */
  readonly rowLosses: {
    readonly rows: readonly number[];
    readonly sums: readonly number[];
    readonly targets: readonly number[];
  };
};

/** Who computes: this process, or processes that it leads. */
export type Learner = {
  /** One optimizer step, counted from 1. Throws where its loss or gradient is no number. */
  learn(step: number, learningRate: number): Promise<Learned>;
  /** `eval_loss` and its kin, over all evaluation rows. */
  evaluate(): Promise<Record<string, number>>;
  /** What learns, and the optimizer's state: what a checkpoint has beside the loop's own. */
  contents(): Pick<CheckpointContents, 'tensors' | 'files'>;
  /** Takes that back from a checkpoint; without the optimizer's state where only the weights are wanted. */
  restore(checkpoint: Checkpoint, what: 'all' | 'weights'): Promise<void>;
};

export type TrainResult = {
  readonly outcome: 'finished' | 'stopped';
  readonly step: number;
  /** Metrics of the last evaluation. */
  readonly evaluation: Readonly<Record<string, number>> | undefined;
};

/** Runs to the plan's end, or to a wish to stop. Ends with the final weights in place, and saves nothing of them. */
export async function runLoop(
  settings: TrainSettings,
  plan: Plan,
  learner: Learner,
  host: TrainHost,
): Promise<TrainResult> {
  const totalSteps = plan.steps;
  const schedule = makeSchedule(
    settings.lr_scheduler_type,
    {
      learningRate: settings.learning_rate,
      totalSteps,
      warmupSteps: countWarmupSteps(totalSteps, settings.warmup_steps),
    },
    settings.lr_scheduler_kwargs,
  );
  let state: State = newState(schedule.start);
  if (host.resume) {
    await learner.restore(host.resume, 'all');
    state = readState(host.resume);
  }
  const due = intervals(settings, plan);

  const save = async (step: number): Promise<void> => {
    host.emit({ type: 'heartbeat', phase: 'saving' });
    const resumable = !settings.save_only_model;
    await host.save(step, { ...learner.contents(), state, resumable }, state.best ?? undefined);
  };
  const runEvaluation = async (step: number): Promise<Record<string, number>> => {
    host.emit({ type: 'heartbeat', phase: 'evaluating' });
    const metrics = await learner.evaluate();
    host.emit({ type: 'eval-end', step, metrics });
    host.log({ step, epoch: step === 0 ? 0 : plan.epoch(step - 1), ...metrics });
    return metrics;
  };

  if (!settings.do_train) {
    return { outcome: 'finished', step: 0, evaluation: await runEvaluation(0) };
  }

  let evaluation: Record<string, number> | undefined;
  let stopped = false;
  while (state.step < totalSteps) {
    const step = state.step + 1;
    const started = performance.now();
    const learningRate = learningRateAt(schedule, step - 1, state.schedule);
    const done = await learner.learn(step, learningRate);
    const epoch = plan.epoch(step - 1);
    const entry = { loss: done.loss, grad_norm: done.gradNorm, learning_rate: learningRate };
    const { rows, sums, targets } = done.rowLosses;
    host.rowLosses(step, rows, sums, targets);
    host.emit({
      type: 'step-end',
      step,
      epoch,
      ...entry,
      tokens: done.tokens,
      seconds: (performance.now() - started) / 1000,
      memory: done.memory,
      metrics: done.metrics,
    });
    state = { ...state, step, lossSum: state.lossSum + done.loss, lossSteps: state.lossSteps + 1 };
    if (due.log(step)) {
      host.log({ step, epoch, ...entry, loss: state.lossSum / state.lossSteps });
      state = { ...state, lossSum: 0, lossSteps: 0 };
    }
    let isBest = false;
    let enough = false;
    if (due.evaluate(step)) {
      evaluation = await runEvaluation(step);
      const metric = metricOf(settings.metric_for_best_model, evaluation);
      const better =
        state.best === null ||
        (settings.greater_is_better ? metric > state.best.metric : metric < state.best.metric);
      isBest = better;
      state = {
        ...state,
        best: better ? { step, metric } : state.best,
        notBetter: better ? 0 : state.notBetter + 1,
        schedule: state.schedule && schedule.observe(state.schedule, evaluation['eval_loss']),
      };
      enough =
        settings.early_stopping_steps !== null && state.notBetter >= settings.early_stopping_steps;
    }
    const command = host.command();
    stopped = command === 'stop' && step < totalSteps;
    const wanted =
      due.save(step) || (settings.save_strategy === 'best' && isBest) || command !== 'continue';
    if (wanted && (settings.save_strategy !== 'no' || command !== 'continue')) await save(step);
    if (stopped || enough) break;
  }
  if (!stopped && settings.load_best_model_at_end && state.best && state.best.step !== state.step) {
    const best = checkpointFolder(host.outputDir, state.best.step);
    await learner.restore(readCheckpoint(best), 'weights');
  }
  return { outcome: stopped ? 'stopped' : 'finished', step: state.step, evaluation };
}

/** When to log, evaluate and save: by steps (a share of all below 1), or at the end of each epoch. */
function intervals(settings: TrainSettings, plan: Plan) {
  const every = (value: number): number =>
    value < 1 ? Math.max(1, Math.ceil(plan.steps * value)) : Math.round(value);
  const endsEpoch = (step: number): boolean =>
    step === plan.steps ||
    Math.floor(plan.epoch(step - 1) + 1e-9) >
      Math.floor(step < 2 ? 0 : plan.epoch(step - 2) + 1e-9);
  const by = (strategy: string, value: number) => (step: number) =>
    strategy === 'steps' ? step % every(value) === 0 : strategy === 'epoch' && endsEpoch(step);
  const log = by(settings.logging_strategy, settings.logging_steps);
  const save = by(settings.save_strategy, settings.save_steps);
  return {
    log: (step: number) => log(step) || (step === 1 && settings.logging_first_step),
    evaluate: by(settings.eval_strategy, settings.eval_steps),
    // The last step always has a checkpoint, as Hugging Face's: more epochs can go on from it.
    save: (step: number) =>
      save(step) || (settings.save_strategy === 'steps' && step === plan.steps),
  };
}

function metricOf(name: string, metrics: Readonly<Record<string, number>>): number {
  return metrics[name.startsWith('eval_') ? name : `eval_${name}`] ?? Number.NaN;
}
