import { expect, test } from 'vitest';
import { parseGpus } from './gpus.ts';

test.each([
  ['8xH100-80GB', 8, 'H100', 80e9],
  ['2xRTX4090-24GB', 2, 'RTX4090', 24e9],
  ['RTX 4090', 1, 'RTX4090', 24e9],
  ['24GB', 1, 'GPU', 24e9],
  ['8x80GB', 8, 'GPU', 80e9],
  ['4 x a100-40g', 4, 'A100', 40e9],
  ['16xNEW-288GB', 16, 'NEW', 288e9],
])('%s', (text, count, name, memory) => {
  expect(parseGpus(text)).toEqual({ count, name, memory });
});

test.each(['8xFoo', '', '0x80GB', 'many', '8x', '8xH1000'])('`%s` says no size', (text) => {
  expect(parseGpus(text)).toBeUndefined();
});
