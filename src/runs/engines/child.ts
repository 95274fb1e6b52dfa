/**
 * @file The life of an engine's process: it ignores Ctrl+C (its parent turns that into a wish), saves and stops at
 * SIGHUP and SIGTERM, and ends itself when its parent is gone, unless it was started detached.
 */

import type { Job } from '../../train/job.ts';
import type { Surroundings } from '../process-host.ts';
import type { Outcome } from '../run-folder.ts';
import type { OpenedSession } from './engine.ts';
import {
  type Opened,
  type SessionRequest,
  type ToChild,
  type ToParent,
  type TrainRequest,
  toWire,
} from './protocol.ts';

export type TrainContext = Surroundings & {
  /** To be told once the folder is taken. */
  readonly opened: (opened: Opened) => void;
};

export type ChildWork = {
  /** Loads what a training will need; a failure is for the training to tell. */
  begin?(job: Job): Promise<void>;
  train(request: TrainRequest, context: TrainContext): Promise<Outcome>;
  session(request: SessionRequest): Promise<OpenedSession>;
  estimator?(): Promise<OpenedSession>;
};

/** How long work that never gives the event loop a turn may hold a process whose parent is gone. */
const graceMs = 1000;

/** Serves the parent's first message, and for a session all that follow. */
export function serveParent(work: ChildWork): void {
  let gone = false;
  let stop = false;
  let detached = false;

  const say = (message: ToParent): void => {
    if (process.connected) process.send?.(message, () => {});
  };
  const stopNicely = (): void => {
    stop = true;
  };
  process.on('SIGINT', () => {});
  process.on('SIGTERM', stopNicely);
  process.on('SIGHUP', stopNicely);
  process.on('disconnect', () => {
    // A stop that is under way is let finish: it saves at the next step boundary.
    if (detached || stop) return;
    gone = true;
    // No file is ever half written in place, so the hardest end loses no more than a soft one.
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs).unref();
  });

  const finish = (outcome: Outcome | 'refused'): void => {
    process.exitCode = outcome === 'finished' ? 0 : outcome === 'stopped' ? 3 : 1;
    if (process.connected) process.disconnect();
  };

  const train = async (request: TrainRequest): Promise<void> => {
    detached = request.detached;
    try {
      const outcome = await work.train(request, {
        mustEnd: () => gone,
        mustStop: () => stop,
        opened: (opened) => say({ type: 'opened', opened }),
      });
      say({ type: 'ended', outcome });
      finish(outcome);
    } catch (error) {
      say({ type: 'failed', error: toWire(error) });
      finish('failed');
    }
  };

  process.on('message', (message: ToChild) => {
    if (message.type === 'begin') work.begin?.(message.job).catch(() => {});
    else if (message.type === 'train') void train(message.request);
    else if (message.type === 'session')
      void serveSession(work.session(message.request), say, finish);
    else if (message.type === 'estimator' && work.estimator)
      void serveSession(work.estimator(), say, finish);
    else if (message.type === 'stop') stopNicely();
  });
}

async function serveSession(
  opening: Promise<OpenedSession>,
  say: (message: ToParent) => void,
  finish: (outcome: Outcome | 'refused') => void,
): Promise<void> {
  const calls = new Map<number, AbortController>();
  let close: OpenedSession['close'];
  process.on('SIGTERM', () => {
    finish('stopped');
    void close?.();
  });
  process.on('disconnect', () => {
    for (const call of calls.values()) call.abort();
  });
  try {
    const opened = await opening;
    const { about, methods } = opened;
    close = opened.close;
    process.on('message', (message: ToChild) => {
      if (message.type === 'cancel') calls.get(message.id)?.abort();
      if (message.type !== 'call') return;
      const { id, method, params } = message;
      const controller = new AbortController();
      calls.set(id, controller);
      const run = methods[method];
      const result = run
        ? run(params, {
            part: (value) => say({ type: 'part', id, value }),
            signal: controller.signal,
          })
        : Promise.reject(new Error(`a session has no method ${method}`));
      result
        .then((value) => say({ type: 'result', id, value }))
        .catch((error: unknown) => say({ type: 'error', id, error: toWire(error) }))
        .finally(() => calls.delete(id));
    });
    say({ type: 'ready', value: about });
  } catch (error) {
    say({ type: 'failed', error: toWire(error) });
    finish('refused');
  }
}
