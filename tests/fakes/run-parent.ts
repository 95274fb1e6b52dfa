/** @file A parent that starts the fake engine on the request it is sent, and can be killed. */
import { nativeEngine } from '../../src/runs/engines/engines.ts';
import type { TrainRequest } from '../../src/runs/engines/protocol.ts';
import { fakeEntry } from './requests.ts';

process.on('message', async (request: TrainRequest) => {
  const run = nativeEngine(fakeEntry).train(request);
  process.send?.({ pid: run.pid });
  await run.opened;
  process.send?.('opened');
  if (!request.detached) return;
  run.release();
  process.disconnect();
});
