/**
 * @file Machines that train together, seen by the processes that lead their ranks: the first machine's waits for the others, holds
 * what they have against its own, and each side notices when the other falls silent. Collectives alone would wait for ever
 * for a machine whose power is gone.
 */
import { createConnection, createServer, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { nodeLost, nodesDiffer } from '../errors.ts';

const aliveMs = 2000;
/** So long without a word, and a machine counts as gone. */
const silentMs = 15_000;
const retryMs = 500;

/** Beside the port that the ranks meet at. */
const portOf = (masterPort: number): number => masterPort + 1;

const Message = z.union([
  z.object({ hello: z.object({ node: z.int(), host: z.string(), identity: z.string() }) }),
  z.object({ welcome: z.literal(true) }),
  z.object({ refused: z.literal(true) }),
  z.object({ failed: z.string() }),
  /** Somebody there wants all to save and stop. */
  z.object({ stop: z.literal(true) }),
  z.object({ over: z.literal(true) }),
  z.object({ alive: z.literal(true) }),
]);
type Message = z.infer<typeof Message>;

/** A connection that says now and then that it is there, and tells when the other side no longer does. */
function talk(socket: Socket, hear: (message: Message) => void, lost: (why: string) => void) {
  let last = performance.now();
  let over = false;
  const end = (): void => {
    over = true;
    clearInterval(beat);
  };
  const gone = (why: string): void => {
    if (over) return;
    end();
    socket.destroy();
    lost(why);
  };
  const say = (message: Message): void => void socket.write(`${JSON.stringify(message)}\n`);
  const beat = setInterval(() => {
    if (performance.now() - last > silentMs) gone(`it has been silent for ${silentMs / 1000} s`);
    else say({ alive: true });
  }, aliveMs);
  socket.on('error', (error) => gone(error.message));
  socket.on('close', () => gone('it closed its connection'));
  createInterface({ input: socket }).on('line', (line) => {
    last = performance.now();
    hear(Message.parse(JSON.parse(line)));
  });
  return { say, end };
}

export type Nodes = {
  /** All machines are there, and have the same rows, model and settings. */
  readonly ready: Promise<void>;
  /** Tells the others that it is over. */
  close(): void;
};

export type NodesInput = {
  readonly nodes: number;
  readonly node: number;
  readonly address: string;
  readonly port: number;
  /** What must be the same on all: of rows, plan, model, settings. */
  readonly identity: string;
  /** A machine is gone, or has failed. */
  readonly onLost: (error: Error) => void;
  /** Another machine was asked to stop. */
  readonly onStop?: () => void;
};

/** On the first machine. */
export function awaitNodes({ nodes, port, identity, onLost, onStop }: NodesInput): Nodes {
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  ready.catch(() => {});
  const there = new Map<number, ReturnType<typeof talk>>();
  const fail = (error: Error): void => {
    reject(error);
    onLost(error);
  };
  const server = createServer((socket) => {
    // An IPv4 address may come in the form that IPv6 has for it.
    const from = (socket.remoteAddress ?? 'of no address').replace('::ffff:', '');
    let name = `a machine (${from})`;
    const connection = talk(
      socket,
      (message) => {
        if ('failed' in message) fail(nodeLost(name, message.failed));
        if ('stop' in message) onStop?.();
        if (!('hello' in message)) return;
        const { node, host, identity: theirs } = message.hello;
        name = `machine ${node} (${host}, ${from})`;
        if (theirs !== identity) {
          connection.say({ refused: true });
          connection.end();
          return fail(nodesDiffer(name));
        }
        there.set(node, connection);
        connection.say({ welcome: true });
        if (there.size === nodes - 1) resolve();
      },
      (why) => fail(nodeLost(name, why)),
    );
  });
  server.on('error', fail);
  server.listen(portOf(port));
  return {
    ready,
    close() {
      for (const connection of there.values()) {
        connection.say({ over: true });
        connection.end();
      }
      server.close();
    },
  };
}

/** On any other machine: until the first one is there, it tries again. */
export function joinNodes({ node, address, port, identity, onLost }: NodesInput): Nodes & {
  /** Tells the first machine why this one cannot go on. */
  fail(why: string): void;
  /** Asks it to save and stop. */
  stop(): void;
} {
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  ready.catch(() => {});
  let connection: ReturnType<typeof talk> | undefined;
  let closed = false;
  const first = `machine 0 (${address})`;
  const fail = (error: Error): void => {
    reject(error);
    onLost(error);
  };
  const connect = (): void => {
    if (closed) return;
    const socket = createConnection(portOf(port), address);
    socket.once('error', () => {
      if (connection === undefined) setTimeout(connect, retryMs);
    });
    socket.once('connect', () => {
      const line = talk(
        socket,
        (message) => {
          if ('welcome' in message) resolve();
          if ('refused' in message) {
            line.end();
            fail(nodesDiffer(first));
          }
          // What is asked of ranks ends with them; a silent end of the connection is then no loss.
          if ('over' in message) line.end();
        },
        (why) => fail(nodeLost(first, why)),
      );
      connection = line;
      line.say({ hello: { node, host: hostname(), identity } });
    });
  };
  connect();
  return {
    ready,
    fail: (why) => connection?.say({ failed: why }),
    stop: () => connection?.say({ stop: true }),
    close() {
      closed = true;
      connection?.end();
    },
  };
}
