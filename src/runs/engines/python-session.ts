/** @file A session whose model is in a process of Python (`workers/torch/infer.py`): ids go out, ids come back. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { delimiter, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { makeFolder, writeFileAtomic } from '../../files/atomic.ts';
import { tuneryCache } from '../../files/hub-cache.ts';
import type { JsonObject } from '../../files/json.ts';
import { contextFull, emptyPrompt, unknownId, unknownModule } from '../../generate/errors.ts';
import {
  type About,
  type Generated,
  GenerateRequest,
  type NewToken,
  ScoreRequest,
} from '../../generate/session.ts';
import { childEnvironment, environment } from '../../native/environment.ts';
import { backendFailed, backendOutOfMemory, callFailed, engineSilent, noGpu } from '../errors.ts';
import type { OpenedSession } from './engine.ts';
import { failureIn } from './last-words.ts';
import { scratchFolder } from './torch-model.ts';

const worker = fileURLToPath(new URL('../../../workers/torch/infer.py', import.meta.url));

/** How long it may take to end by itself: the parent of this process waits little longer. */
const endMs = 1500;
const keptLogs = 10;

const Message = z.union([
  z.object({ ready: z.object({ vocabulary: z.int() }) }),
  z.object({
    call: z.int(),
    tokens: z.array(z.tuple([z.int(), z.int(), z.number().nullable()])),
  }),
  z.object({ call: z.int(), result: z.array(z.unknown()) }),
  z.object({ call: z.int(), error: z.object({ kind: z.string(), message: z.string() }) }),
]);
const Ends = z.array(
  z.object({ reason: z.enum(['stop', 'length', 'cancelled']), reused: z.int() }),
);
const Logps = z.array(z.array(z.number()));

export type PythonStart = {
  readonly backend: 'torch' | 'vllm';
  readonly python: string;
  /** What the worker is told, as JSON, beside the backend. */
  readonly task: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly about: About;
  /** Names of `lora_modules` that requests may choose. */
  readonly modules?: readonly string[];
  /** Most tokens of a sequence. */
  readonly limit: number;
  /** What is said where the environment is not fit. */
  readonly broken: (python: string, what: string) => Error;
};

type Call = {
  readonly token: (token: NewToken) => void;
  readonly resolve: (result: readonly unknown[]) => void;
  readonly reject: (error: Error) => void;
};

/** Starts the worker, and waits until its model is loaded. */
export async function openPython(start: PythonStart): Promise<OpenedSession> {
  const { backend, about, limit, modules = [] } = start;
  const scratch = scratchFolder();
  const calls = new Map<number, Call>();
  let next = 0;
  let over: Error | undefined;
  let socket: Socket | undefined;
  const ready = Promise.withResolvers<{ readonly vocabulary: number }>();

  const end = (error: Error): void => {
    over ??= error;
    ready.reject(over);
    for (const call of calls.values()) call.reject(over);
    calls.clear();
  };
  const server = createServer((connected) => {
    socket = connected;
    connected.on('error', () => {});
    createInterface({ input: connected }).on('line', (line) => {
      const message = Message.parse(JSON.parse(line));
      if ('ready' in message) return ready.resolve(message.ready);
      const call = calls.get(message.call);
      if ('tokens' in message) {
        for (const [sequence, id, logp] of message.tokens) {
          call?.token(logp === null ? { sequence, id } : { sequence, id, logp });
        }
        return;
      }
      calls.delete(message.call);
      if ('result' in message) call?.resolve(message.result);
      else call?.reject(callFailed(backend, message.error.message));
    });
  });
  const path = join(scratch, 'socket');
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  const { child, log } = startWorker(start, scratch, path);
  const ended = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      end(start.broken(start.python, error.message));
      resolve();
    });
    child.on('exit', (code, signal) => {
      end(over ?? explain(start, log, code, signal));
      resolve();
    });
  });

  const close = async (): Promise<void> => {
    over ??= engineSilent('an answer');
    // It ends when it reads that nobody is there.
    socket?.end();
    const timer = setTimeout(() => kill(child), socket ? endMs : 0);
    await ended;
    clearTimeout(timer);
    server.close();
    socket?.destroy();
    rmSync(scratch, { recursive: true, force: true });
  };

  /** Asks; resolves with the result. The signal tells the worker, and `cancelled` is the answer. */
  function ask(
    command: JsonObject,
    signal: AbortSignal,
    token: Call['token'] = () => {},
  ): Promise<readonly unknown[] | 'cancelled'> {
    if (over) return Promise.reject(over);
    if (signal.aborted) return Promise.resolve('cancelled');
    const call = next++;
    const tell = (message: JsonObject): void =>
      void socket?.write(`${JSON.stringify({ call, ...message })}\n`);
    const { promise, resolve, reject } = Promise.withResolvers<readonly unknown[] | 'cancelled'>();
    const cancel = (): void => {
      if (calls.delete(call)) tell({ do: 'cancel' });
      resolve('cancelled');
    };
    calls.set(call, { token, resolve, reject });
    signal.addEventListener('abort', cancel);
    tell(command);
    return promise.finally(() => signal.removeEventListener('abort', cancel));
  }

  try {
    const { vocabulary } = await ready.promise;
    const check = (ids: Int32Array, room: number): void => {
      if (ids.length === 0) throw emptyPrompt();
      if (ids.length + room > limit) throw contextFull(ids.length, limit);
      for (const id of ids) if (id < 0 || id >= vocabulary) throw unknownId(id, vocabulary);
    };
    return {
      about,
      close,
      methods: {
        async generate(params, { part, signal }): Promise<readonly Generated[]> {
          const request = GenerateRequest.parse(params);
          for (const { ids } of request.prompts) check(ids, 1);
          const { module } = request;
          if (module !== undefined && !modules.includes(module))
            throw unknownModule(module, modules);
          const ids = request.prompts.map((): number[] => []);
          const command = generateCommand(request, limit);
          const result = await ask(command, signal, (token) => {
            ids[token.sequence].push(token.id);
            part(token);
          });
          const ends =
            result === 'cancelled'
              ? ids.map(() => ({ reason: 'cancelled' as const, reused: 0 }))
              : Ends.parse(result);
          return ends.map((end, i) => ({ ...end, ids: Int32Array.from(ids[i]) }));
        },
        async score(params, { signal }) {
          const { sequences } = ScoreRequest.parse(params);
          for (const { ids } of sequences) check(ids, 0);
          const asked = sequences.map(({ ids, from }) => ({ ids: [...ids], from }));
          const result = await ask({ do: 'score', sequences: asked }, signal);
          if (result === 'cancelled') throw signal.reason;
          return Logps.parse(result).map((logps) => Float32Array.from(logps));
        },
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const generateCommand = (
  { prompts, sampling, max_new_tokens, stop_ids, logprobs, module }: GenerateRequest,
  limit: number,
): JsonObject => ({
  do: 'generate',
  prompts: prompts.map(({ ids, seed }) => {
    const most = Math.min(max_new_tokens, limit - ids.length);
    return { ids: [...ids], seed, most };
  }),
  sampling,
  stop_ids,
  logprobs: logprobs ?? false,
  module: module ?? null,
});

function startWorker({ backend, python, task, env }: PythonStart, scratch: string, path: string) {
  const taskFile = join(scratch, 'task.json');
  writeFileAtomic(taskFile, JSON.stringify({ ...task, backend }));
  const log = newLog(backend);
  const fd = openSync(log, 'a');
  try {
    const child = spawn(python, [worker, taskFile], {
      stdio: ['ignore', fd, fd],
      // In a group of its own: Ctrl+C of the terminal is for the one who leads, and an end is for all of it.
      detached: true,
      env: childEnvironment({
        TUNERY_SOCKET: path,
        TUNERY_PARENT: String(process.pid),
        PYTHONUNBUFFERED: '1',
        TOKENIZERS_PARALLELISM: 'false',
        HF_HUB_OFFLINE: '1',
        // What is compiled at first use is looked for beside the Python, as in an environment that is entered.
        PATH: [dirname(resolve(python)), environment('PATH') ?? ''].join(delimiter),
        ...env,
      }),
    });
    return { child, log };
  } finally {
    closeSync(fd);
  }
}

function kill({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** A file for what it says; of those before, the last ones stay. */
function newLog(backend: string): string {
  const folder = join(tuneryCache(), 'logs');
  makeFolder(folder);
  const before = readdirSync(folder).sort();
  for (const name of before.slice(0, Math.max(0, before.length - keptLogs + 1))) {
    rmSync(join(folder, name), { force: true });
  }
  const time = new Date().toISOString().replaceAll(/[:.]/g, '-');
  return join(folder, `${time}-${backend}-${process.pid}.log`);
}

function explain(
  { backend, python, broken }: PythonStart,
  log: string,
  code: number | null,
  signal: NodeJS.Signals | null,
): Error {
  if (signal !== null) {
    const why = signal === 'SIGKILL' ? ', as the system does for want of memory' : '';
    return backendFailed(backend, `its process was ended by ${signal}${why}`, log);
  }
  const failure = failureIn(log, 0);
  if (!failure) return backendFailed(backend, `its process ended with code ${code}`, log);
  if (failure.kind === 'out-of-memory') return backendOutOfMemory(backend, failure.message, log);
  if (failure.kind === 'environment') return broken(python, failure.message);
  if (failure.kind === 'no-device') return noGpu(failure.message, log);
  return backendFailed(backend, failure.message, log);
}
