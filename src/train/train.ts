/** @file Training in this process: the learner that computes each step with the engine, under the common loop. */
import type { Memory } from '../engine/memory.ts';
import { cutMicroBatches, layOut, type Row } from '../engine/micro-batches.ts';
import type { CausalLM } from '../engine/nn/index.ts';
import { adamW } from '../engine/optim/adamw.ts';
import { loraPlusRate } from '../engine/optim/lora-plus.ts';
import type { Parameter } from '../engine/parameter.ts';
import { RoundedCopies } from '../engine/rounded.ts';
import { within } from '../engine/session.ts';
import { Tape } from '../engine/tape.ts';
import { span } from '../engine/trace.ts';
import { fill } from '../kernels/elementwise.ts';
import { sumOfSquares } from '../kernels/reduce.ts';
import type { Method } from '../methods/method.ts';
import { residentMemory } from '../native/memory.ts';
import type { CheckpointTensor } from './checkpoint.ts';
import { type NonFinite, nonFinite } from './errors.ts';
import { type EvalSet, evaluate, type Rows } from './evaluate.ts';
import type { TrainHost } from './host.ts';
import { type Learned, type Learner, type Plan, runLoop, type TrainResult } from './loop.ts';
import { microBatchTokens } from './micro-batch-tokens.ts';
import { policyOf } from './policy.ts';
import type { TrainSettings } from './settings.ts';
import { restoreTensors } from './state.ts';

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

/** Runs to the plan's end, or to a wish to stop. Ends with the final weights in place, and saves nothing of them. */
export const train = (input: TrainInput): Promise<TrainResult> =>
  runLoop(input.settings, input.plan, nativeLearner(input), input.host);

function nativeLearner(input: TrainInput): Learner {
  const { settings, method, model, parameters, memory, rows, plan, evalSets, host } = input;
  const checkpointing = settings.gradient_checkpointing === true;
  const selective = settings.gradient_checkpointing === 'selective';
  const policy = policyOf(model, { checkpointing, dtype: settings.bf16 ? 'bf16' : 'f32' });
  const tokensAtOnce = microBatchTokens(settings);
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
  const none: typeof optimizer.state = new Map();

  return {
    learn,
    evaluate: () =>
      evaluate(evalSets, policy, {
        memory,
        microBatchTokens: tokensAtOnce,
        turn: () => host.turn(),
      }),
    contents: () => ({
      tensors: [
        ...[...parameters].map(([name, { tensor }]) =>
          checkpointTensor(name, tensor.shape, tensor.data),
        ),
        ...[...(settings.save_only_model ? none : optimizer.state)].map(([name, t]) =>
          checkpointTensor(`optimizer.${name}`, t.shape, t.data),
        ),
      ],
      files: input.saveModel,
    }),
    async restore(checkpoint, what) {
      restoreTensors(checkpoint, parameters, what === 'all' ? optimizer.state : none);
    },
  };

  /** One optimizer step: its rows in micro-batches, every sum divided by the step's own totals. */
  async function learn(step: number, learningRate: number): Promise<Learned> {
    const stepRows: readonly Row[] = Array.from(plan.rows(step - 1), (index) => rows.row(index));
    const per = { targets: plan.targets(step - 1), examples: plan.examples(step - 1) };
    const notFinite = (what: NonFinite['what'], ofRows: readonly number[]) =>
      nonFinite({ what, step, learningRate, rows: ofRows, placeOf: rows.place });
    let loss = 0;
    let read = 0;
    const sums = new Map<string, [number, number]>();
    const rowLosses: { row: number; sum: number; targets: number }[] = [];
    const rounded = new RoundedCopies(memory);
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
          within({ memory, tape, randomness, rounded }, () =>
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
    rounded.release();
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
    const metrics = Object.fromEntries(
      [...sums].map(([name, [sum, count]]) => [name, sum / count]),
    );
    return {
      loss,
      gradNorm,
      metrics,
      tokens: { read, supervised: per.targets },
      memory: residentMemory(),
      rowLosses: {
        rows: rowLosses.map(({ row }) => row),
        sums: rowLosses.map(({ sum }) => sum),
        targets: rowLosses.map(({ targets }) => targets),
      },
    };
  }
}

function checkpointTensor(name: string, shape: readonly number[], data: unknown): CheckpointTensor {
  if (data instanceof Uint8Array) return { name, dtype: 'U8', shape, data };
  return { name, dtype: 'F32', shape, data: data as Float32Array };
}
