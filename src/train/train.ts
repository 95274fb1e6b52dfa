/** @file The training loop: every method's, with its accumulation, evaluation, checkpoints and resume. */
import type { Memory } from '../engine/memory.ts';
import { cutMicroBatches, layOut, type Row } from '../engine/micro-batches.ts';
import type { CausalLM } from '../engine/nn/index.ts';
import { adamW } from '../engine/optim/adamw.ts';
import { loraPlusRate } from '../engine/optim/lora-plus.ts';
import { countWarmupSteps, learningRateAt, makeSchedule } from '../engine/optim/schedules.ts';
import type { Parameter } from '../engine/parameter.ts';
import { within } from '../engine/session.ts';
import { Tape } from '../engine/tape.ts';
import { span } from '../engine/trace.ts';
import { fill } from '../kernels/elementwise.ts';
import { sumOfSquares } from '../kernels/reduce.ts';
import type { Method } from '../methods/method.ts';
import { residentMemory } from '../native/memory.ts';
import { type CheckpointTensor, checkpointFolder, readCheckpoint } from './checkpoint.ts';
import { type NonFinite, nonFinite } from './errors.ts';
import { type EvalSet, evaluate, type Rows } from './evaluate.ts';
import type { TrainHost } from './host.ts';
import { microBatchTokens } from './micro-batch-tokens.ts';
import { policyOf } from './policy.ts';
import type { TrainSettings } from './settings.ts';
import { loadState, newState, type State } from './state.ts';

/** Which rows form each step, and what the step's sums are divided by. */
export type Plan = {
  readonly steps: number;
  rows(step: number): ArrayLike<number>;
  targets(step: number): number;
  examples(step: number): number;
  /** Epochs done after the step. */
  epoch(step: number): number;
};

export type TrainInput = {
  readonly settings: TrainSettings;
  readonly method: Method;
  readonly model: CausalLM;
  /** What learns, by its name in a checkpoint. */
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly memory: Memory;
  readonly rows: Rows;
  readonly plan: Plan;
  readonly evalSets: readonly EvalSet[];
  readonly host: TrainHost;
  /** Writes the adapter or model, the tokenizer and their kin into a folder. */
  readonly saveModel: (folder: string) => Promise<void> | void;
};

export type TrainResult = {
  readonly outcome: 'finished' | 'stopped';
  readonly step: number;
  /** Metrics of the last evaluation. */
  readonly evaluation: Readonly<Record<string, number>> | undefined;
};

/** Runs to the plan's end, or to a wish to stop. Ends with the final weights in place, and saves nothing of them. */
export async function train(input: TrainInput): Promise<TrainResult> {
  const { settings, method, model, parameters, memory, rows, plan, evalSets, host } = input;
  const totalSteps = plan.steps;
  const checkpointing = settings.gradient_checkpointing === true;
  const selective = settings.gradient_checkpointing === 'selective';
  const policy = policyOf(model, { checkpointing, dtype: settings.bf16 ? 'bf16' : 'f32' });
  const tokensAtOnce = microBatchTokens(settings);
  const schedule = makeSchedule(
    settings.lr_scheduler_type,
    {
      learningRate: settings.learning_rate,
      totalSteps,
      warmupSteps: countWarmupSteps(totalSteps, settings.warmup_steps),
    },
    settings.lr_scheduler_kwargs,
  );
  const optimizer = adamW(
    parameters,
    {
      beta1: settings.adam_beta1,
      beta2: settings.adam_beta2,
      eps: settings.adam_epsilon,
      weightDecay: settings.weight_decay,
      bits: settings.optim.includes('8bit') ? 8 : 32,
      ...(settings.loraplus_lr_ratio === null
        ? {}
        : { rate: loraPlusRate(settings.loraplus_lr_ratio) }),
    },
    memory,
  );
  let state: State = host.resume
    ? loadState(host.resume, parameters, optimizer.state)
    : newState(schedule.start);
  const due = intervals(settings, plan);

  const tensors = (): CheckpointTensor[] => [
    ...[...parameters].map(([name, { tensor }]) =>
      checkpointTensor(name, tensor.shape, tensor.data),
    ),
    ...(settings.save_only_model
      ? []
      : [...optimizer.state].map(([name, t]) =>
          checkpointTensor(`optimizer.${name}`, t.shape, t.data),
        )),
  ];
  const save = async (step: number): Promise<void> => {
    host.emit({ type: 'heartbeat', phase: 'saving' });
    await host.save(
      step,
      { tensors: tensors(), state, resumable: !settings.save_only_model, files: input.saveModel },
      state.best ?? undefined,
    );
  };
  const runEvaluation = async (step: number): Promise<Record<string, number>> => {
    host.emit({ type: 'heartbeat', phase: 'evaluating' });
    const metrics = await evaluate(evalSets, policy, {
      memory,
      microBatchTokens: tokensAtOnce,
      turn: () => host.turn(),
    });
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
    const stepRows = Array.from(plan.rows(step - 1), (index) => rows.row(index));
    const done = await learn(stepRows, step);
    const epoch = plan.epoch(step - 1);
    const entry = { loss: done.loss, grad_norm: done.gradNorm, learning_rate: done.learningRate };
    host.emit({
      type: 'step-end',
      step,
      epoch,
      ...entry,
      tokens: done.tokens,
      seconds: (performance.now() - started) / 1000,
      memory: residentMemory(),
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
    restore(checkpointFolder(host.outputDir, state.best.step), parameters);
  }
  return { outcome: stopped ? 'stopped' : 'finished', step: state.step, evaluation };

  /** One optimizer step: its rows in micro-batches, every sum divided by the step's own totals. */
  async function learn(stepRows: readonly Row[], step: number) {
    const per = { targets: plan.targets(step - 1), examples: plan.examples(step - 1) };
    const learningRate = learningRateAt(schedule, step - 1, state.schedule);
    const notFinite = (what: NonFinite['what'], ofRows: readonly number[]) =>
      nonFinite({ what, step, learningRate, rows: ofRows, placeOf: rows.place });
    let loss = 0;
    let read = 0;
    const sums = new Map<string, [number, number]>();
    const rowLosses: { row: number; sum: number; targets: number }[] = [];
    for (const cut of cutMicroBatches(stepRows, tokensAtOnce)) {
      const batch = layOut(cut);
      read += batch.ids.length;
      if (batch.targets.length > 0) {
        const tape = new Tape(memory, { selective });
        const randomness = {
          seed: settings.seed,
          step,
          rowIds: batch.rowIds,
          positions: batch.rowPositions,
        };
        const pass = () =>
          within({ memory, tape, randomness }, () =>
            memory.scope(() => {
              const { terms, metrics, logp } = span('forward', () => method.step(policy, batch));
              const seeds = terms.map((term) => {
                loss += term.sum.item() / per[term.per];
                const grad = memory.gradients.like(term.sum);
                fill.run(grad.data, 1 / per[term.per]);
                return [term.sum, grad] as const;
              });
              const values = logp.read();
              for (const [i, row] of batch.rows.entries()) {
                const [from, to] = [batch.targetBounds[i], batch.targetBounds[i + 1]];
                let sum = 0;
                for (let t = from; t < to; t++) sum -= values[t];
                rowLosses.push({ row, sum, targets: to - from });
              }
              for (const [name, [sum, count]] of Object.entries(metrics)) {
                const before = sums.get(name) ?? [0, 0];
                sums.set(name, [before[0] + sum, before[1] + count]);
              }
              if (!Number.isFinite(loss)) throw notFinite('loss', batch.rows);
              span('backward', () => tape.backward(seeds));
            }),
          );
        span('micro-batch', pass);
      }
      await host.turn();
    }
    let squares = 0;
    for (const { grad } of parameters.values()) if (grad) squares += sumOfSquares.run(grad.data);
    const gradNorm = Math.sqrt(squares);
    if (!Number.isFinite(gradNorm)) {
      throw notFinite(
        'gradient norm',
        stepRows.map(({ row }) => row),
      );
    }
    const clip = settings.max_grad_norm;
    // torch's clip_grad_norm_ has this epsilon.
    const gradScale = clip > 0 ? Math.min(1, clip / (gradNorm + 1e-6)) : 1;
    span('optimizer', () => optimizer.step(learningRate, step, gradScale));
    for (const parameter of parameters.values()) parameter.clearGrad();
    host.rowLosses(
      step,
      rowLosses.map(({ row }) => row),
      rowLosses.map(({ sum }) => sum),
      rowLosses.map(({ targets }) => targets),
    );
    const metrics = Object.fromEntries(
      [...sums].map(([name, [sum, count]]) => [name, sum / count]),
    );
    return { loss, gradNorm, learningRate, metrics, tokens: { read, supervised: per.targets } };
  }
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

function checkpointTensor(name: string, shape: readonly number[], data: unknown): CheckpointTensor {
  if (data instanceof Uint8Array) return { name, dtype: 'U8', shape, data };
  return { name, dtype: 'F32', shape, data: data as Float32Array };
}

function restore(folder: string, parameters: ReadonlyMap<string, Parameter>): void {
  loadState(readCheckpoint(folder), parameters, new Map());
}
