import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openSafetensors } from '../../src/files/safetensors.ts';
import { adamw8, dynamicMap } from '../../src/kernels/adamw8.ts';
import { expectClose } from '../../src/kernels/testing.ts';
import { codesApart, runAdamw8 } from '../../src/kernels/testing-adamw8.ts';

test('equals bitsandbytes over a hundred steps', () => {
  const path = fileURLToPath(new URL('../golden/optim8.safetensors', import.meta.url));
  const { tensors } = openSafetensors(path);
  const bytes = (name: string) => tensors.get(name)!.bytes.slice();
  const floats = (name: string) => new Float32Array(bytes(name).buffer);
  expect(dynamicMap(true)).toEqual(floats('signed'));
  expect(dynamicMap(false)).toEqual(floats('unsigned'));
  const length = floats('param10').length;
  const first = runAdamw8(length, 1, adamw8.run);
  // It divides by the scale where we multiply by its inverse, and halfway takes either.
  expect(codesApart(first.m, bytes('codes1.m'))).toBeLessThanOrEqual(4);
  expect(codesApart(first.v, bytes('codes1.v'))).toBeLessThanOrEqual(4);
  expectClose(first.mScales, floats('scales1.m'), { relative: 1e-6 });
  expectClose(first.vScales, floats('scales1.v'), { relative: 1e-6 });
  const { seen } = runAdamw8(length, 100, adamw8.run);
  const mean = (a: Float32Array, b: Float32Array) =>
    a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / length;
  for (const step of [10, 100]) {
    const theirs = floats(`param${step}`);
    const ours = seen.get(step)!;
    // What the codes that differ do, against what 8 bits do at all.
    const cost = mean(theirs, floats(`exact${step}`));
    expect(mean(ours, theirs) / cost, `step ${step}`).toBeLessThan(0.02);
    expect(cost).toBeGreaterThan(0);
  }
});
