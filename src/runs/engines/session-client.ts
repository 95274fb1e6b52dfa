/** @file A session from the parent's side: calls go to the child, parts and results come back. */
import type { ChildProcess } from 'node:child_process';
import { engineKilled, engineSilent } from '../errors.ts';
import type { SessionClient } from './engine.ts';
import { fromWire, type ToChild, type ToParent } from './protocol.ts';

type Call = { readonly parts: unknown[]; end: End | undefined; wake: () => void };
type End = { readonly value: unknown } | { readonly error: Error };

/** Waits until the model is loaded; rejects with the child's own words where it cannot be. */
export async function openSession(
  child: ChildProcess,
  opening: Extract<ToChild, { type: 'session' | 'estimator' }>,
  loading?: AbortSignal,
): Promise<SessionClient> {
  const calls = new Map<number, Call>();
  let next = 0;
  let over: Error | undefined;
  const tell = (message: ToChild): void => void child.send(message, () => {});
  const { promise: about, resolve: ready, reject: refuse } = Promise.withResolvers<unknown>();
  const closed = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.stderr?.resume();

  const end = (error: Error): void => {
    over ??= error;
    refuse(over);
    for (const call of calls.values()) {
      call.end ??= { error: over };
      call.wake();
    }
  };
  child.on('error', end);
  child.on('close', (_, signal) =>
    end(
      signal
        ? engineKilled(
            signal,
            '',
            'if memory was short, choose a smaller model or `infer_dtype: bfloat16`',
          )
        : engineSilent('an answer'),
    ),
  );
  child.on('message', (message: ToParent) => {
    if (message.type === 'ready') return ready(message.value);
    if (message.type === 'failed') return end(fromWire(message.error));
    const call = 'id' in message ? calls.get(message.id) : undefined;
    if (!call) return;
    if (message.type === 'part') call.parts.push(message.value);
    else if (message.type === 'result') call.end = { value: message.value };
    else if (message.type === 'error') call.end = { error: fromWire(message.error) };
    call.wake();
  });
  const abandon = (): void => {
    end(loading?.reason);
    child.kill('SIGKILL');
  };
  loading?.addEventListener('abort', abandon);
  if (loading?.aborted) abandon();
  tell(opening);

  async function* stream(
    method: string,
    params: unknown,
    signal?: AbortSignal,
  ): AsyncGenerator<unknown, unknown, undefined> {
    if (over) throw over;
    signal?.throwIfAborted();
    const id = next++;
    const call: Call = { parts: [], end: undefined, wake: () => {} };
    calls.set(id, call);
    const cancel = (): void => tell({ type: 'cancel', id });
    signal?.addEventListener('abort', cancel);
    tell({ type: 'call', id, method, params });
    try {
      for (;;) {
        while (call.parts.length > 0) yield call.parts.shift();
        if (call.end) break;
        await new Promise<void>((resolve) => {
          call.wake = resolve;
        });
      }
      if ('error' in call.end) throw call.end.error;
      return call.end.value;
    } finally {
      if (!call.end && child.connected) cancel();
      calls.delete(id);
      signal?.removeEventListener('abort', cancel);
    }
  }

  const said = await about.finally(() => loading?.removeEventListener('abort', abandon));
  return {
    about: said,
    stream,
    async call(method, params, signal) {
      const parts = stream(method, params, signal);
      for (;;) {
        const { done, value } = await parts.next();
        if (done) return value;
      }
    },
    async close() {
      over ??= engineSilent('an answer');
      if (child.connected) child.disconnect();
      child.kill('SIGTERM');
      // A call that never gives its process a turn cannot hear it.
      const hard = setTimeout(() => child.kill('SIGKILL'), 2000);
      await closed;
      clearTimeout(hard);
    },
  };
}
