/** @file What the training loop needs of the process it runs in. `runs/` gives the real one; tests take `memoryHost`. */
import type { EventBody } from '../core/events.ts';
import type { Checkpoint, CheckpointContents } from './checkpoint.ts';

/** The latest wish of whoever watches the run, looked up at step boundaries. `save` is said once, `stop` until the end. */
export type Command = 'continue' | 'save' | 'stop';

/** One row of Hugging Face's `log_history`: `loss`, `grad_norm`, `learning_rate` (the one used in that step), `eval_loss`, … */
export type LogEntry = {
  readonly step: number;
  readonly epoch: number;
  readonly [metric: string]: number;
};

/** The best evaluation so far: its checkpoint is never pruned. */
export type Best = { readonly step: number; readonly metric: number };

export type TrainHost = {
  /** Folder of the run. */
  readonly outputDir: string;

  /** The checkpoint to go on from: verified whole, and of a run with the same data and model. */
  readonly resume: Checkpoint | undefined;

  /** Appends to events.jsonl. `run-start` and `run-end` are the process's own; the loop emits all others. */
  emit(body: EventBody): void;

  /** Gives the event loop a turn; call it at each micro-batch. Throws where the run must end at once (its parent is gone). */
  turn(): Promise<void>;

  /** Call it once at each step boundary. */
  command(): Command;

  /** Appends each row's loss of a step to row-losses.bin: `rows[i]` had loss sum `sums[i]` over `targets[i]` targets. */
  rowLosses(
    step: number,
    rows: ArrayLike<number>,
    sums: ArrayLike<number>,
    targets: ArrayLike<number>,
  ): void;

  /** A line of trainer_log.jsonl and a row of trainer_state.json's `log_history`. */
  log(entry: LogEntry): void;

  /**
   * Writes `checkpoint-<step>`, with trainer_state.json in it; emits `checkpoint-saved`; and then prunes by
   * `save_total_limit`. All that was logged up to this step is on the disk before the checkpoint is.
   */
  save(step: number, contents: CheckpointContents, best?: Best): Promise<void>;
};

export type MemoryHost = TrainHost & {
  readonly events: readonly EventBody[];
  readonly logs: readonly LogEntry[];
  readonly losses: readonly { step: number; row: number; sum: number; targets: number }[];
  readonly saved: readonly { step: number; contents: CheckpointContents }[];
};

/** A host that keeps everything in memory; `command` scripts the wishes by step boundary, counted from 0. */
export function memoryHost(
  options: { resume?: Checkpoint; outputDir?: string; command?: (call: number) => Command } = {},
): MemoryHost {
  const events: EventBody[] = [];
  const logs: LogEntry[] = [];
  const losses: { step: number; row: number; sum: number; targets: number }[] = [];
  const saved: { step: number; contents: CheckpointContents }[] = [];
  let calls = 0;
  return {
    outputDir: options.outputDir ?? '.',
    resume: options.resume,
    events,
    logs,
    losses,
    saved,
    emit: (body) => void events.push(body),
    turn: () => Promise.resolve(),
    command: () => options.command?.(calls++) ?? 'continue',
    rowLosses(step, rows, sums, targets) {
      for (let i = 0; i < rows.length; i++)
        losses.push({ step, row: rows[i]!, sum: sums[i]!, targets: targets[i]! });
    },
    log: (entry) => void logs.push(entry),
    async save(step, contents) {
      // Tensors are views into live memory: a copy is what a file would hold.
      const tensors = [...contents.tensors].map((tensor) => ({
        ...tensor,
        data: tensor.data.slice(),
      }));
      saved.push({ step, contents: { ...contents, tensors } });
    },
  };
}
