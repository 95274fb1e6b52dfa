import { expect, test } from 'vitest';
import { recordKernels } from '../../kernels/kernel.ts';
import { Memory } from '../memory.ts';
import { within } from '../session.ts';
import type { Tensor } from '../tensor.ts';
import { tensorOf, wave } from '../testing.ts';
import { attention } from './attention.ts';
import { loraLinear } from './lora-linear.ts';

const memory = new Memory();
const numbers = (shape: readonly number[], phase: number): Tensor =>
  tensorOf(
    memory,
    shape,
    wave(
      shape.reduce((a, b) => a * b, 1),
      phase,
    ),
    'f32',
  );

/** What `work` gives, and the kernels that it calls. */
function run(decoding: boolean, work: () => Tensor) {
  let y: Float32Array | Float64Array | undefined;
  const calls = recordKernels(() =>
    within({ memory, tape: null, randomness: null, decoding }, () =>
      memory.scope(() => {
        y = work().read();
      }),
    ),
  );
  return { y: y ?? new Float32Array(0), kernels: calls.map(({ name }) => name) };
}

function expectAlike(work: () => Tensor, kernels: readonly string[]): void {
  const [usual, decoded] = [run(false, work), run(true, work)];
  expect(decoded.kernels).toEqual(kernels);
  for (const [i, value] of usual.y.entries()) expect(decoded.y[i]).toBeCloseTo(value, 4);
}

test('a layer with its adapter gives the same by the kernels of decoding', () => {
  const [x, w, bias] = [numbers([3, 40], 0), numbers([20, 40], 1), numbers([20], 2)];
  const [a, b] = [numbers([4, 40], 3), numbers([20, 4], 4)];
  const options = { scale: 0.5, dropout: 0.1, purpose: 1, randomness: null };
  const kernels = ['rowProducts', 'rowProducts', 'rowProducts'];
  expectAlike(() => loraLinear([x, w, bias, a, b], options), kernels);
});

test('attention to a cache gives the same by the kernel of decoding', () => {
  const [q, k, v] = [numbers([2, 4, 8], 0), numbers([90, 2, 8], 1), numbers([90, 2, 8], 2)];
  const keys = { ranges: Int32Array.of(80, 10, 0, 60, 61, 3), starts: Int32Array.of(0, 2, 3) };
  const options = { queryStarts: Int32Array.of(0, 1, 2), keys, scale: 0.35, slopes: null };
  expectAlike(() => attention([q, k, v], options), ['decodingAttention']);
});
