import { expect, test } from 'vitest';
import { allocate, residentMemory } from '../native/memory.ts';
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

test('a weight that is let go gives its pages back to the system, an activation keeps them for the next', () => {
  const memory = new Memory();
  const fill = (pool: 'weights' | 'activations') => {
    const tensor = memory[pool].keep([1 << 23], 'f32');
    (tensor.data as Float32Array).fill(1);
    return tensor.buffer;
  };
  const before = residentMemory();
  const [weight, activation] = [fill('weights'), fill('activations')];
  const full = residentMemory();
  expect(full - before).toBeGreaterThan(60e6);
  weight.release();
  activation.release();
  const { weights, activations } = memory.account();
  expect(weights).toEqual({ inUse: 0, peak: 1 << 25, reserved: 0 });
  expect(activations).toEqual({ inUse: 0, peak: 1 << 25, reserved: 1 << 25 });
  expect(full - residentMemory()).toBeGreaterThan(30e6);
});

test('pools of one memory share one address space, taken from anywhere', () => {
  const asked: number[] = [];
  const memory = new Memory((bytes) => {
    asked.push(bytes);
    return allocate(bytes);
  });
  memory.activations.keep([2], 'f32');
  memory.gradients.keep([2], 'f32');
  expect(asked).toEqual([8 * 2 ** 32]);
});
