/** @file The ranks of a training: started, asked, and ended together. The first rank speaks for all, over a socket. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync, openSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { makeFolder, writeFileAtomic } from '../../files/atomic.ts';
import { diskFull } from '../../files/errors.ts';
import type { JsonObject } from '../../files/json.ts';
import { childEnvironment, environment } from '../../native/environment.ts';
import { brokenEnvironment, noGpu, rankFailed, rankOutOfMemory } from '../errors.ts';
import { failureIn } from './last-words.ts';
import { extensionsFolder, installedPython } from './torch-environment.ts';
import type { World } from './torch-world.ts';

const worker = fileURLToPath(new URL('../../../workers/torch/worker.py', import.meta.url));

/** How long ranks may take to end by themselves when nothing is asked any more. */
const endMs = 10_000;
/** How long one that failed may take to say why, once another was seen to fail. */
const lastWordsMs = 1500;

export type Ranks = {
  /** The answer to one command; rejects where a rank has ended. */
  ask(command: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Lets them go, and waits for it. */
  end(): Promise<void>;
  kill(): void;
  /** Ends them all for a reason from outside. */
  fail(error: Error): void;
  /** All of this machine's have ended; rejects where one failed. */
  readonly ended: Promise<void>;
};

const Message = z.union([
  z.object({ ready: z.record(z.string(), z.unknown()) }),
  z.object({ answer: z.unknown() }),
]);

export type StartInput = {
  readonly python: string;
  readonly task: JsonObject;
  readonly world: World;
  /** A folder of this run, which goes with it. */
  readonly scratch: string;
  /** The folder of their logs. */
  readonly logs: string;
  /** Shows that the run is alive while they load. */
  readonly turn: () => Promise<void>;
};

type Rank = {
  readonly rank: number;
  readonly log: string;
  /** Bytes of the log before this attempt: what an earlier one said is no cause of this one's end. */
  readonly logFrom: number;
  readonly process: ChildProcess;
};

/** Starts this machine's ranks; resolves when all have loaded the model. */
export async function startRanks(input: StartInput): Promise<Ranks> {
  const { python, task, world, scratch, logs } = input;
  const taskFile = join(scratch, 'task.json');
  writeFileAtomic(taskFile, JSON.stringify(task));
  const socketPath = join(scratch, 'socket');
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  makeFolder(logs);
  const address = world.address ?? '127.0.0.1';
  const port = world.port ?? (await freePort());
  const network = environment('GLOO_SOCKET_IFNAME') ?? (await interfaceTo(address));
  const started = Array.from({ length: world.local }, (_, local): Rank => {
    const rank = world.node * world.local + local;
    const log = join(logs, `rank-${rank}.log`);
    const logFrom = statSync(log, { throwIfNoEntry: false })?.size ?? 0;
    const fd = openSync(log, 'a');
    const env = childEnvironment({
      RANK: String(rank),
      LOCAL_RANK: String(local),
      WORLD_SIZE: String(world.size),
      LOCAL_WORLD_SIZE: String(world.local),
      MASTER_ADDR: address,
      MASTER_PORT: String(port),
      TUNERY_SOCKET: socketPath,
      TUNERY_PARENT: String(process.pid),
      PYTHONUNBUFFERED: '1',
      TOKENIZERS_PARALLELISM: 'false',
      HF_HUB_OFFLINE: '1',
      ...(network === undefined
        ? {}
        : { GLOO_SOCKET_IFNAME: network, NCCL_SOCKET_IFNAME: network }),
      // What DeepSpeed compiles at its first use belongs to the environment, and goes with it.
      ...(python === installedPython() ? { TORCH_EXTENSIONS_DIR: extensionsFolder() } : {}),
      ...(world.device === 'cpu' ? { DS_ACCELERATOR: 'cpu', CUDA_VISIBLE_DEVICES: '' } : {}),
    });
    try {
      return {
        rank,
        log,
        logFrom,
        // In a group of its own: Ctrl+C of the terminal is for the one who leads.
        process: spawn(python, [worker, taskFile], {
          env,
          stdio: ['ignore', fd, fd],
          detached: true,
        }),
      };
    } finally {
      closeSync(fd);
    }
  });
  return lead(started, server, input);
}

/** The network interface by which this machine reaches an address: a host's name, as gloo would take it, may mean another. */
async function interfaceTo(address: string): Promise<string | undefined> {
  const socket = createSocket('udp4');
  try {
    // Nothing is sent: the system only says which way it would go.
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(9, address, resolve);
    });
    const own = socket.address().address;
    return Object.entries(networkInterfaces()).find(([, addresses = []]) =>
      addresses.some(({ address }) => address === own),
    )?.[0];
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}

async function lead(
  started: readonly Rank[],
  server: Server,
  { world, turn }: StartInput,
): Promise<Ranks> {
  let ending = false;
  let failure: Error | undefined;
  let waiting: { resolve(value: unknown): void; reject(error: Error): void } | undefined;
  let socket: Socket | undefined;
  const ended = new Map<Rank, Promise<void>>();
  const over = Promise.withResolvers<void>();
  // Who leads asks; only who follows waits for the end.
  over.promise.catch(() => {});

  const kill = (): void => {
    ending = true;
    for (const { process } of started) process.kill('SIGKILL');
    server.close();
    socket?.destroy();
  };
  const fail = (error: Error): void => {
    failure ??= error;
    kill();
    waiting?.reject(failure);
    waiting = undefined;
    over.reject(failure);
  };
  const wait = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (failure) reject(failure);
      else waiting = { resolve, reject };
    });
  const settle = (value: unknown): void => {
    const { resolve } = waiting ?? {};
    waiting = undefined;
    resolve?.(value);
  };

  for (const each of started) {
    const { rank, log, process } = each;
    const { promise, resolve } = Promise.withResolvers<void>();
    ended.set(each, promise);
    process.on('error', (error) => {
      resolve();
      if (!ending) fail(rankFailed(rank, error.message, log));
    });
    process.on('exit', (code, signal) => {
      resolve();
      if (ending || code === 0) return;
      // The first to end may only have lost its peer: whoever knows why has said so in its log, or will at once.
      if (signal === null)
        setTimeout(() => ending || fail(explain(started, each, code, signal)), lastWordsMs);
      else fail(explain(started, each, code, signal));
    });
  }
  server.on('connection', (connected) => {
    socket = connected;
    connected.on('error', () => {});
    createInterface({ input: connected }).on('line', (line) => {
      const message = Message.parse(JSON.parse(line));
      settle('ready' in message ? message.ready : message.answer);
    });
  });

  Promise.all(ended.values()).then(() => {
    if (failure === undefined) over.resolve();
  });
  // The first rank speaks, and it is on the first machine.
  if (world.node === 0) {
    const ready = wait();
    const beat = setInterval(() => turn().catch(fail), 500);
    try {
      await ready;
    } finally {
      clearInterval(beat);
    }
  }
  return {
    kill,
    fail,
    ended: over.promise,
    ask(command) {
      const answer = wait();
      if (!failure) socket?.write(`${JSON.stringify(command)}\n`);
      return answer;
    },
    async end() {
      ending = true;
      socket?.end();
      const timer = setTimeout(kill, endMs);
      await Promise.all(ended.values());
      clearTimeout(timer);
      kill();
    },
  };
}

/** What went wrong, in the words of the rank that knows. */
function explain(
  ranks: readonly Rank[],
  first: Rank,
  code: number | null,
  signal: NodeJS.Signals | null,
): Error {
  if (signal !== null) {
    return rankFailed(first.rank, `it was ended by ${signal}`, first.log);
  }
  const said = ranks.flatMap(({ log, logFrom }) => {
    const failure = failureIn(log, logFrom);
    return failure ? [{ ...failure, log }] : [];
  });
  // One that lost its peer says only that; one that says anything else is the cause.
  const cause = said.find(({ message }) => !lostPeer.test(message)) ?? said[0];
  if (!cause) return rankFailed(first.rank, `it ended with code ${code}`, first.log);
  if (cause.kind === 'out-of-memory') return rankOutOfMemory(cause.rank, cause.message, cause.log);
  if (cause.kind === 'environment')
    return brokenEnvironment(first.process.spawnfile, cause.message);
  if (cause.kind === 'no-device') return noGpu(cause.message, cause.log);
  if (cause.kind === 'disk-full') return diskFull(cause.log, 0, 0);
  return rankFailed(cause.rank, cause.message, cause.log);
}

const lostPeer = /[Cc]onnection (closed|reset|refused)|Broken pipe|Socket Timeout|peer/;

/** A port that is free now, of this machine alone. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
