import { expect, test } from 'vitest';
import { Memory } from './memory.ts';

test('a space counts what is claimed of it, never moves, and goes back whole', () => {
  const { cache } = new Memory();
  const space = cache.space([1000, 8], 'f32');
  expect(space.tensor.shape).toEqual([1000, 8]);
  expect([cache.inUse, cache.reserved]).toEqual([0, 0]);
  space.claim(10);
  space.tensor.data[79] = 7;
  space.claim(30);
  expect([cache.inUse, cache.reserved, space.tensor.data[79]]).toEqual([960, 960, 7]);
  space.tensor.buffer.release();
  expect([cache.inUse, cache.reserved, cache.peak]).toEqual([0, 0, 960]);
});
