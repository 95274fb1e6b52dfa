/** @file What the tests of kernels share: seeded numbers in every storage, comparisons, gradient checks. */
import { expect } from 'vitest';
import { setThreads, threads } from '../native/machine.ts';
import { decodeBf16, encodeBf16 } from './bf16.ts';
import type { TensorData } from './kernel.ts';

export type Storage = 'f32' | 'bf16';
export const storages: readonly Storage[] = ['f32', 'bf16'];

/** Numbers in [low, high) that a seed names (xorshift32). */
export function numbers(length: number, seed: number, low = -1, high = 1): Float64Array {
  let state = (Math.imul(seed, 0x9e3779b9) ^ 0x85ebca6b) >>> 0 || 1;
  return Float64Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return low + ((state >>> 0) / 2 ** 32) * (high - low);
  });
}

/** The numbers, rounded to a storage. */
export function store(values: ArrayLike<number>, storage: Storage): Float32Array | Uint16Array {
  return storage === 'f32'
    ? Float32Array.from(values)
    : Uint16Array.from(values, (value) => encodeBf16(value));
}

/** An empty buffer, filled with what no kernel may leave: NaN. */
export function unset(length: number, storage: Storage): Float32Array | Uint16Array {
  return store(new Float64Array(length).fill(Number.NaN), storage);
}

/** The numbers of a buffer, exact. */
export function load(data: TensorData): Float64Array {
  return data instanceof Uint16Array
    ? Float64Array.from(data, decodeBf16)
    : Float64Array.from(data);
}

/** Seeded numbers as a storage has them, and the same numbers in f64 for the twin. */
export function rounded(
  length: number,
  seed: number,
  storage: Storage,
  low = -1,
  high = 1,
): { data: Float32Array | Uint16Array; exact: Float64Array } {
  const data = store(numbers(length, seed, low, high), storage);
  return { data, exact: load(data) };
}

/** Half a unit in the last place of bf16, with a little room for what f32 did before. */
const bf16Rounding = 2 ** -8 * 1.01;

/** Largest |got − want| against `absolute` + `relative` · |want|; bf16 results get their rounding on top. */
export function expectClose(
  got: TensorData,
  want: ArrayLike<number>,
  { absolute = 0, relative = 0, name = 'values' } = {},
): void {
  const values = load(got);
  expect(values.length, `length of ${name}`).toBe(want.length);
  const share = relative + (got instanceof Uint16Array ? bf16Rounding : 0);
  let worst = 0;
  let where = 0;
  for (let i = 0; i < values.length; i++) {
    const error = Math.abs(values[i] - want[i]) / (absolute + share * Math.abs(want[i]) || 1e-300);
    // A NaN compares as no number does: it is the worst there is.
    if (!(error <= worst)) [worst, where] = [Object.is(values[i], want[i]) ? worst : error, i];
  }
  const message = `${name}[${where}]: ${values[where]} where ${want[where]} is right`;
  expect(worst <= 1, `${message} (${worst.toPrecision(3)} times the tolerance)`).toBe(true);
}

/** Runs `work` with 1, 2 and 5 threads; what it returns must be equal bit for bit. */
export function expectSameOnAnyThreads(work: () => readonly (TensorData | number)[]): void {
  const before = threads();
  const bits = (part: TensorData | number): Uint8Array =>
    typeof part === 'number'
      ? new Uint8Array(Float64Array.of(part).buffer)
      : new Uint8Array(part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength));
  try {
    const results = [1, 2, 5].map((count) => {
      setThreads(count);
      return work().map(bits);
    });
    for (const other of results.slice(1)) {
      for (const [i, part] of other.entries()) {
        expect(Buffer.compare(part, results[0][i]), `part ${i} differs`).toBe(0);
      }
    }
  } finally {
    setThreads(before);
  }
}

/**
 * Central differences in f64 of Σ dy · forward(inputs), for each input, against `backward`'s gradients
 * (null where an input has none).
 */
export function expectGradients(
  inputs: readonly Float64Array[],
  forward: (inputs: readonly Float64Array[]) => Float64Array,
  backward: (dy: Float64Array, inputs: readonly Float64Array[]) => readonly (Float64Array | null)[],
  tolerance = 1e-7,
): void {
  const dy = numbers(forward(inputs).length, 99);
  const value = (): number => forward(inputs).reduce((sum, y, i) => sum + y * dy[i], 0);
  const step = 1e-5;
  for (const [index, gradient] of backward(dy, inputs).entries()) {
    if (gradient === null) continue;
    const input = inputs[index];
    const expected = input.map((_, i) => {
      const kept = input[i];
      input[i] = kept + step;
      const above = value();
      input[i] = kept - step;
      const below = value();
      input[i] = kept;
      return (above - below) / (2 * step);
    });
    expectClose(gradient, expected, {
      absolute: tolerance,
      relative: tolerance,
      name: `gradient ${index}`,
    });
  }
}
