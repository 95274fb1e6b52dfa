/** @file Requests to the fake engine of engine-child.ts. */
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config/load.ts';
import type { SessionRequest, TrainRequest } from '../../src/runs/engines/protocol.ts';

export const fakeEntry = fileURLToPath(new URL('./engine-child.ts', import.meta.url));

export function fakeRequest(
  overrides: Readonly<Record<string, string | number | boolean>>,
  behavior: Readonly<Record<string, string | number>> = {},
  detached = false,
): TrainRequest {
  const { job } = loadConfig({
    command: 'train',
    overrides: Object.entries({
      model_name_or_path: 'fake',
      dataset: 'fake',
      max_steps: 40,
      save_steps: 5,
      logging_steps: 2,
      plot_loss: true,
      ...overrides,
    }).map(([key, value]) => `${key}=${value}`),
  });
  return {
    job,
    prepared: { train: JSON.stringify(behavior), evaluations: [] },
    version: '1.2.3',
    detached,
  };
}

export function fakeSession(): SessionRequest {
  const { job } = loadConfig({ overrides: ['model_name_or_path=fake'], command: 'chat' });
  return { job, version: '1.2.3' };
}
