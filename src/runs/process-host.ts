/** @file The training loop's host in a real process: events, logs, losses, wishes and checkpoints of one open run folder. */
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { TuneryError } from '../core/errors.ts';
import type { EventBody } from '../core/events.ts';
import { writeFileAtomic } from '../files/atomic.ts';
import { pruneCheckpoints, saveCheckpoint } from '../train/checkpoint.ts';
import type { Command, LogEntry, TrainHost } from '../train/host.ts';
import type { TrainSettings } from '../train/settings.ts';
import { controlReader } from './control-file.ts';
import { parentGone } from './errors.ts';
import { eventsName, openEvents, readEvents } from './events-file.ts';
import { fingerprintDigest, fingerprintName } from './fingerprint.ts';
import {
  noProgress,
  openTrainerLog,
  Progress,
  progressName,
  trainerLogLine,
  trainerLogName,
  trainerState,
  trainerStateName,
  withBest,
} from './logs.ts';
import { openRowLosses, rowLossesName } from './row-losses.ts';
import type { Outcome, RunFolder } from './run-folder.ts';

/** A sign of life at least so often, however long a phase takes. */
const heartbeatEveryMs = 15_000;

/** Kept free for the last words of a run that filled its disk. */
const reserveName = '.reserve';
const reserveBytes = 64 << 10;

/** What the process knows and the folder does not. */
export type Surroundings = {
  /** Whether the process must end now: its parent is gone. */
  readonly mustEnd: () => boolean;
  /** Whether a signal asked to save and stop. */
  readonly mustStop: () => boolean;
};

export type ProcessHost = TrainHost & {
  /** Figures of all attempts up to the last step. */
  progress(): Progress;
  /** Bytes of events.jsonl before this attempt. */
  readonly eventsFrom: number;
  start(totalSteps: number): void;
  /** Writes the last event, trainer_state.json and how the run ended, and gives the folder free. */
  end(outcome: Outcome, error?: TuneryError): void;
};

export function openHost(
  run: RunFolder,
  settings: TrainSettings,
  { mustEnd, mustStop }: Surroundings,
): ProcessHost {
  const { folder, record, resume } = run;
  const from = resume?.step ?? 0;
  const path = (name: string): string => join(folder, name);
  const events = openEvents(path(eventsName), record.run_id, record.attempt);
  const eventsFrom = events.size();
  const losses = openRowLosses(path(rowLossesName), from);
  const log = openTrainerLog(path(trainerLogName), from);
  const wish = controlReader(folder, run.lock.id);
  let progress = resume ? readProgress(resume.folder) : noProgress;
  const history = [...progress.log_history];
  const secondsBefore = progress.seconds;
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  let phase: Extract<EventBody, { type: 'heartbeat' }>['phase'] = 'loading';
  let lastSign = performance.now();
  reserve(path(reserveName));

  const emit = (body: EventBody): void => {
    lastSign = performance.now();
    if (body.type === 'heartbeat') phase = body.phase;
    if (body.type === 'step-end') {
      const { tokens } = progress;
      progress = {
        ...progress,
        step: body.step,
        epoch: body.epoch,
        loss_sum: progress.loss_sum + body.loss,
        tokens: {
          read: tokens.read + body.tokens.read,
          supervised: tokens.supervised + body.tokens.supervised,
        },
      };
    }
    events.emit(body);
  };
  const current = (): Progress => ({
    ...progress,
    log_history: history,
    seconds: secondsBefore + seconds(),
  });
  const writeState = (into: string): void =>
    writeFileAtomic(
      join(into, trainerStateName),
      `${JSON.stringify(trainerState(current(), settings), null, 2)}\n`,
    );

  return {
    outputDir: folder,
    resume,
    eventsFrom,
    emit,
    progress: current,

    async turn() {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (mustEnd()) throw parentGone();
      run.lock.touch();
      if (performance.now() - lastSign > heartbeatEveryMs) emit({ type: 'heartbeat', phase });
    },

    command(): Command {
      const asked = wish();
      return mustStop() ? 'stop' : asked;
    },

    rowLosses(step, rows, sums, targets) {
      losses.append(step, rows, sums, targets);
      progress = { ...progress, rows: progress.rows + rows.length };
    },

    log(entry: LogEntry) {
      history.push(entry);
      log.append(trainerLogLine(entry, progress, seconds(), from));
    },

    async save(step, contents, best) {
      progress = withBest(progress, best);
      // What the checkpoint stands on must outlive a power cut whenever the checkpoint does.
      for (const file of [events, losses, log]) file.sync();
      const { folder: saved, bytes } = await saveCheckpoint(folder, step, {
        ...contents,
        async files(into) {
          await contents.files?.(into);
          writeState(into);
          writeFileAtomic(join(into, progressName), `${JSON.stringify(current())}\n`);
          writeFileAtomic(
            join(into, fingerprintName),
            `${JSON.stringify(run.record.fingerprint)}\n`,
          );
        },
      });
      emit({ type: 'checkpoint-saved', step, folder: saved, bytes });
      if (settings.save_total_limit !== null) {
        pruneCheckpoints(folder, settings.save_total_limit, step, progress.best?.step);
      }
    },

    start(totalSteps) {
      progress = { ...progress, total_steps: totalSteps };
      emit({
        type: 'run-start',
        engine: record.engine,
        fingerprint: fingerprintDigest(record.fingerprint),
        total_steps: totalSteps,
        from_step: from,
      });
      for (const note of run.notes) emit({ type: 'warning', ...note });
    },

    end(outcome, error) {
      rmSync(path(reserveName), { force: true });
      const attempts = [
        () =>
          emit({
            type: 'run-end',
            outcome,
            ...(error && {
              error: { code: error.code, message: error.message, help: error.help ?? '' },
            }),
          }),
        () => writeState(folder),
        () => events.sync(),
      ];
      // A full disk may refuse some of it; the rest is written all the same, and the folder is given free.
      for (const attempt of attempts) {
        try {
          attempt();
        } catch (fault) {
          if (!(fault instanceof TuneryError)) throw fault;
        }
      }
      for (const file of [events, losses, log]) file.close();
      try {
        run.close(outcome);
      } catch (fault) {
        if (!(fault instanceof TuneryError)) throw fault;
      }
    },
  };
}

function readProgress(checkpoint: string): Progress {
  const parsed = Progress.safeParse(
    JSON.parse(readFileSync(join(checkpoint, progressName), 'utf8')),
  );
  // Its digest was right, so another version wrote it; the figures begin anew, the training does not.
  return parsed.data ?? noProgress;
}

function reserve(path: string): void {
  const fd = openSync(path, 'w');
  try {
    writeSync(fd, Buffer.alloc(reserveBytes, 1));
    fsyncSync(fd);
  } catch {
    // No room even for that: the first real write will say so.
  } finally {
    closeSync(fd);
  }
}

/** Loss of each step, the latest attempt's where one was done twice. */
export function stepLosses(eventsPath: string): { step: number; value: number }[] {
  const losses = new Map<number, number>();
  for (const event of readEvents(eventsPath)) {
    if (event.type === 'step-end') losses.set(event.step, event.loss);
  }
  return [...losses].map(([step, value]) => ({ step, value })).sort((a, b) => a.step - b.step);
}
