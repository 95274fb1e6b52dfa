/** @file The logs that users of LLaMA-Factory and Hugging Face know: trainer_log.jsonl, trainer_state.json, *_results.json. */
import { existsSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { formatClock } from '../core/units.ts';
import { type AppendFile, lastNewline, openAppend } from '../files/append-file.ts';
import { writeFileAtomic } from '../files/atomic.ts';
import type { Best, LogEntry } from '../train/host.ts';
import type { TrainSettings } from '../train/settings.ts';

export const trainerLogName = 'trainer_log.jsonl';
export const trainerStateName = 'trainer_state.json';
export const progressName = 'progress.json';

const Entry = z.object({ step: z.int(), epoch: z.number() }).catchall(z.number());

/** What the logs hold of all attempts so far; it goes with each checkpoint. */
export const Progress = z.object({
  schema: z.literal(1),
  total_steps: z.int(),
  step: z.int(),
  epoch: z.number(),
  /** Sum of the losses of all steps: `train_loss` is their mean. */
  loss_sum: z.number(),
  rows: z.int(),
  tokens: z.object({ read: z.int(), supervised: z.int() }),
  seconds: z.number(),
  best: z.object({ step: z.int(), metric: z.number() }).nullable(),
  log_history: z.array(Entry),
});
export type Progress = z.infer<typeof Progress>;

export const noProgress: Progress = {
  schema: 1,
  total_steps: 0,
  step: 0,
  epoch: 0,
  loss_sum: 0,
  rows: 0,
  tokens: { read: 0, supervised: 0 },
  seconds: 0,
  best: null,
  log_history: [],
};

/** Opens trainer_log.jsonl to go on after step `from`. */
export function openTrainerLog(path: string, from: number): AppendFile {
  return openAppend(path, (fd, size) => {
    const end = lastNewline(fd, size);
    const bytes = Buffer.alloc(end);
    readSync(fd, bytes, 0, end, 0);
    let kept = 0;
    for (const line of bytes.toString('utf8').split('\n').slice(0, -1)) {
      // The line that closes an attempt repeats its last step, and has no figures: a next attempt writes its own.
      const { current_steps: step, loss, eval_loss: evalLoss } = parseLine(line);
      if (step > from || (loss === undefined && evalLoss === undefined)) break;
      kept += Buffer.byteLength(line) + 1;
    }
    return kept;
  });
}

const Line = z.object({
  current_steps: z.number(),
  loss: z.number().optional(),
  eval_loss: z.number().optional(),
});

function parseLine(line: string): z.infer<typeof Line> {
  try {
    return Line.parse(JSON.parse(line));
  } catch {
    return { current_steps: Number.POSITIVE_INFINITY };
  }
}

/** A line of trainer_log.jsonl. `seconds` is the time of this attempt, which began after step `from`. */
export function trainerLogLine(
  entry: LogEntry,
  { total_steps: total, tokens }: Progress,
  seconds: number,
  from: number,
): string {
  const left = seconds * ((total - entry.step) / Math.max(1, entry.step - from));
  return `${JSON.stringify({
    current_steps: entry.step,
    total_steps: total,
    loss: entry['loss'],
    eval_loss: entry['eval_loss'],
    lr: entry['learning_rate'],
    epoch: entry.epoch,
    percentage: total === 0 ? 100 : Math.round((entry.step / total) * 10000) / 100,
    elapsed_time: formatClock(seconds),
    remaining_time: formatClock(left),
    total_tokens: tokens.read,
  })}\n`;
}

type Schedule = Pick<
  TrainSettings,
  'logging_steps' | 'eval_steps' | 'save_steps' | 'per_device_train_batch_size' | 'num_train_epochs'
>;

/** `TrainerState` of transformers. */
export function trainerState(progress: Progress, settings: Schedule): Record<string, unknown> {
  const { best } = progress;
  return {
    best_global_step: best?.step ?? null,
    best_metric: best?.metric ?? null,
    best_model_checkpoint: best === null ? null : `checkpoint-${best.step}`,
    epoch: progress.epoch,
    eval_steps: settings.eval_steps,
    global_step: progress.step,
    is_hyper_param_search: false,
    is_local_process_zero: true,
    is_world_process_zero: true,
    log_history: progress.log_history,
    logging_steps: settings.logging_steps,
    max_steps: progress.total_steps,
    num_input_tokens_seen: progress.tokens.read,
    num_train_epochs: Math.ceil(settings.num_train_epochs),
    save_steps: settings.save_steps,
    stateful_callbacks: {},
    train_batch_size: settings.per_device_train_batch_size,
    trial_name: null,
    trial_params: null,
  };
}

export const withBest = (progress: Progress, best: Best | undefined): Progress =>
  best === undefined ? progress : { ...progress, best: { step: best.step, metric: best.metric } };

export type Results = Readonly<Record<string, number>>;

/** The figures of a whole training, over all its attempts. */
export function trainResults(progress: Progress): Results {
  const { step, seconds, rows, tokens } = progress;
  // Rounded as transformers rounds them.
  const perSecond = (count: number): number => rounded(seconds > 0 ? count / seconds : 0, 3);
  return {
    epoch: progress.epoch,
    num_input_tokens_seen: tokens.read,
    num_supervised_tokens_seen: tokens.supervised,
    train_loss: step === 0 ? 0 : progress.loss_sum / step,
    train_runtime: rounded(seconds, 4),
    train_samples_per_second: perSecond(rows),
    train_steps_per_second: perSecond(step),
    effective_tokens_per_sec: perSecond(tokens.read),
  };
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

/** The last evaluation, if there was one. */
export function evalResults({ log_history: history }: Progress): Results | undefined {
  const last = history.findLast((entry) => entry['eval_loss'] !== undefined);
  if (!last) return undefined;
  const figures = Object.entries(last).filter(([key]) => key.startsWith('eval_'));
  const perplexity = last['eval_perplexity'] ?? Math.exp(last['eval_loss']!);
  return { epoch: last.epoch, ...Object.fromEntries(figures), perplexity };
}

/** Puts figures of one more kind beside those of a run: `<split>_results.json`, and what they are called in all_results.json. */
export function addResults(folder: string, split: string, figures: Results): void {
  const path = join(folder, 'all_results.json');
  const before: unknown = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  const all = { ...z.record(z.string(), z.number()).catch({}).parse(before), ...figures };
  writeFigures(folder, split, figures);
  writeFigures(folder, 'all', all);
}

function writeFigures(folder: string, split: string, figures: Results): void {
  const sorted = Object.entries(figures).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify(Object.fromEntries(sorted), null, 4);
  writeFileAtomic(join(folder, `${split}_results.json`), `${text}\n`);
}

/** Writes train_results.json, eval_results.json, all_results.json. */
export function writeResults(
  folder: string,
  results: { readonly train?: Results | undefined; readonly eval?: Results | undefined },
): void {
  for (const [split, figures] of Object.entries({
    ...results,
    all: { ...results.train, ...results.eval },
  })) {
    if (figures) writeFigures(folder, split, figures);
  }
}
