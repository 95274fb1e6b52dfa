/** @file A session of another process, as a `Session`: what crosses is checked where it arrives. */
import { z } from 'zod';
import { About, Generated, NewToken, type Session } from '../../generate/session.ts';
import type { Engine } from './engine.ts';
import type { SessionRequest } from './protocol.ts';

/** Starts a process, and waits until its model is loaded. Rejects with its words where that fails. */
export async function openRemote(
  engine: Engine,
  request: SessionRequest,
  signal?: AbortSignal,
): Promise<Session> {
  const client = await engine.open(request, signal);
  return {
    about: About.parse(client.about),
    async *generate(request, signal) {
      const parts = client.stream('generate', request, signal);
      try {
        for (;;) {
          const { done, value } = await parts.next();
          if (done) return z.array(Generated).parse(value);
          yield NewToken.parse(value);
        }
      } finally {
        // Breaking off here must end the call over there.
        await parts.return(undefined);
      }
    },
    score: async (request, signal) =>
      z.array(z.instanceof(Float32Array)).parse(await client.call('score', request, signal)),
    close: () => client.close(),
  };
}
