/** @file Seeded runs of AdamW in 8 bits, for its own tests and for those against bitsandbytes. */
import { expect } from 'vitest';
import { type adamw8, momentBlock } from './adamw8.ts';
import { numbers } from './testing.ts';

export const hyper = [0.9, 0.999, 1e-8, 0.01] as const;

export const newState = (length: number) => {
  const blocks = Math.ceil(length / momentBlock);
  return {
    m: new Uint8Array(length),
    v: new Uint8Array(length),
    mScales: new Float32Array(blocks),
    vScales: new Float32Array(blocks),
  };
};

/** Gradients whose sizes differ by a thousand within a block, as a weight's do. */
function gradient(length: number, step: number): Float32Array {
  const sizes = Float32Array.from(numbers(length, 7, -4, -1));
  const values = Float32Array.from(numbers(length, 100 + step));
  return values.map((value, i) => value * Math.fround(10 ** sizes[i]));
}

/** The parameters and moments after `steps`, and the parameters after each. */
export function runAdamw8(length: number, steps: number, kernel: typeof adamw8.run) {
  const param = Float32Array.from(numbers(length, 1));
  const { m, v, mScales, vScales } = newState(length);
  const seen = new Map<number, Float32Array>();
  for (let step = 1; step <= steps; step++) {
    const rate = 1e-3 * Math.min(1, step / 10);
    kernel(param, gradient(length, step), m, v, mScales, vScales, rate, ...hyper, step, 1);
    seen.set(step, param.slice());
  }
  return { param, m, v, mScales, vScales, seen };
}

/** How many codes differ, none by more than one place. */
export function codesApart(got: Uint8Array, want: Uint8Array): number {
  let count = 0;
  for (const [i, code] of got.entries()) {
    expect(Math.abs(code - want[i]), `code ${i}`).toBeLessThanOrEqual(1);
    if (code !== want[i]) count++;
  }
  return count;
}
