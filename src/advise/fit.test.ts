import { expect, test } from 'vitest';
import type { Estimate } from '../estimate/estimate.ts';
import { fitInto, qualities, type Tried, ways, yamlOf } from './fit.ts';

const tried = (
  quality: number,
  way: number,
  total: number,
  seconds: number,
  cutoff = 1,
): Tried => ({
  quality: qualities[quality],
  way: ways[way],
  cutoff,
  estimate: { memory: { total }, step: { tokens: 100, seconds } } as Estimate,
});

test('of each quality the fastest that fits, what gives up least first', () => {
  const all = [
    tried(4, 0, 9, 1),
    tried(3, 0, 12, 1),
    tried(3, 1, 8, 4),
    tried(3, 2, 9, 3),
    tried(0, 0, 30, 9),
  ];
  const { fitting, tooLarge } = fitInto(10, all);
  expect(fitting).toEqual([all[3], all[0]]);
  expect(tooLarge).toEqual([all[4]]);
});

test('longer rows come before speed', () => {
  const all = [tried(3, 0, 9, 1, 0.5), tried(3, 1, 9, 5)];
  expect(fitInto(10, all).fitting).toEqual([all[1]]);
});

test('as YAML', () => {
  expect(yamlOf({ ...qualities[5].settings, ...ways[0] })).toEqual([
    'finetuning_type: lora',
    'bf16: true',
    'quantization_bit: 8',
    'gradient_checkpointing: selective',
    'micro_batch_tokens: 1024',
  ]);
});
