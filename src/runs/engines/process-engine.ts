/** @file An engine from the parent's side: starts the child, follows its run, and explains how it ended. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointSteps } from '../../train/checkpoint.ts';
import { sendCommand } from '../control-file.ts';
import { engineCrashed, engineKilled } from '../errors.ts';
import { eventsName, followEvents } from '../events-file.ts';
import type { Engine, RunHandle, RunResult } from './engine.ts';
import {
  fromWire,
  type Opened,
  type ToChild,
  type ToParent,
  type TrainRequest,
} from './protocol.ts';
import { openSession } from './session-client.ts';
import { startChild } from './start-child.ts';

/** The engine whose child runs `entry`. */
export function processEngine(name: Engine['name'], entry: string): Engine {
  return {
    name,
    train: (request) => startTraining(startChild(entry, request), request),
    begin(job, options) {
      const child = startChild(entry, options);
      let ended = false;
      child.on('exit', () => {
        ended = true;
      });
      child.on('error', () => {
        ended = true;
      });
      child.send({ type: 'begin', job } satisfies ToChild, () => {});
      return {
        // What killed it before anyone listened is for another one to meet, and to tell.
        train: (request) => startTraining(ended ? startChild(entry, request) : child, request),
        cancel: () => void child.kill('SIGKILL'),
      };
    },
    open: (request, signal) =>
      openSession(startChild(entry, { detached: false }), { type: 'session', request }, signal),
    estimator: () => openSession(startChild(entry, { detached: false }), { type: 'estimator' }),
  };
}

function startTraining(child: ChildProcess, request: TrainRequest): RunHandle {
  const killsBefore = outOfMemoryKills();
  const ended = new AbortController();
  const { promise: opened, resolve: open, reject: refuse } = Promise.withResolvers<Opened>();
  // Who awaits only the result must not be told of an unhandled rejection.
  opened.catch(() => {});
  let place: Opened | undefined;
  let said: Extract<ToParent, { type: 'ended' | 'failed' }> | undefined;
  let killed = false;
  let released = false;
  const lastWords = tail(child);

  const result = new Promise<RunResult>((resolve) => {
    const settle = (end: Omit<RunResult, 'folder'>): void => {
      refuse(end.error ?? new Error('the engine ended before it opened its folder'));
      ended.abort();
      resolve({ ...end, folder: place?.folder });
    };
    child.on('message', (message: ToParent) => {
      if (message.type === 'opened') {
        place = message.opened;
        open(message.opened);
      } else if (message.type === 'ended' || message.type === 'failed') said = message;
    });
    child.on('error', (error) => settle({ outcome: 'failed', error }));
    child.on('close', (code, signal) => {
      const goOn = howToGoOn(place?.folder ?? request.job.train.output_dir);
      if (said?.type === 'ended') return settle({ outcome: said.outcome, error: undefined });
      if (said) return settle({ outcome: 'failed', error: fromWire(said.error) });
      if (killed) return settle({ outcome: 'stopped', error: undefined });
      if (signal) {
        const why =
          outOfMemoryKills() > killsBefore
            ? ': the system ran out of memory and its out-of-memory killer chose the engine'
            : signal === 'SIGKILL'
              ? ': someone killed it, or the system did for want of memory'
              : '';
        return settle({ outcome: 'failed', error: engineKilled(signal, why, goOn) });
      }
      return settle({ outcome: 'failed', error: engineCrashed(code ?? -1, lastWords(), goOn) });
    });
  });
  child.send({ type: 'train', request } satisfies ToChild, () => {});

  return {
    pid: child.pid ?? 0,
    opened,
    result,
    async *events() {
      const from = await opened.catch(() => undefined);
      if (!from) return;
      for await (const event of followEvents(join(from.folder, eventsName), ended.signal, {
        from: from.events_from,
      })) {
        if (event.attempt === from.attempt) yield event;
      }
    },
    stop() {
      if (released || !child.connected) return;
      try {
        if (place) return sendCommand(place.folder, 'stop');
      } catch {
        // It is about to end anyway, or its disk is full: its own channel tells it as well.
      }
      child.send({ type: 'stop' } satisfies ToChild, () => {});
    },
    kill() {
      killed = true;
      child.kill('SIGKILL');
    },
    release() {
      released = true;
      if (child.connected) child.disconnect();
      child.unref();
      ended.abort();
    },
  };
}

function howToGoOn(folder: string): string {
  const [newest] = checkpointSteps(folder);
  return newest === undefined
    ? 'no checkpoint had been written yet; start it again, with a smaller `save_steps` or `micro_batch_tokens` if memory was short'
    : `run it again with \`resume_from_checkpoint=true\`: it goes on from checkpoint-${newest}`;
}

/** Kills by the kernel's out-of-memory killer since the system started; 0 where it does not tell. */
function outOfMemoryKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** The end of what a child wrote on stderr. */
function tail(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (piece: string) => {
    text = (text + piece).slice(-2000);
  });
  return () => text.trim();
}
