/** @file For tests: gradients against finite differences in f64, and tensors from plain numbers. */
import { expect } from 'vitest';
import { fill } from '../kernels/elementwise.ts';
import { Memory } from './memory.ts';
import { type Randomness, within } from './session.ts';
import { Tape } from './tape.ts';
import type { Dtype, Tensor } from './tensor.ts';

/** Numbers that look random and never change: seeded by their place. */
export const wave = (length: number, phase = 0): Float64Array =>
  Float64Array.from({ length }, (_, i) => Math.sin(1 + phase + i * 1.618) + 0.3 * Math.cos(i * i));

export function tensorOf(
  memory: Memory,
  shape: readonly number[],
  values: ArrayLike<number>,
  dtype: Dtype = 'f64',
): Tensor {
  const tensor = memory.activations.keep(shape, dtype);
  tensor.data.set(values);
  return tensor;
}

/**
 * Checks every input's gradient of Σ w · f(inputs) against central differences, in f64 on the twins. Steps of 1e-5
 * leave an error of about 1e-9 relative.
 */
export function checkGradients(
  f: (...inputs: Tensor[]) => Tensor,
  shapes: readonly (readonly number[])[],
  {
    randomness = null,
    selective = false,
  }: { randomness?: Randomness | null; selective?: boolean } = {},
): void {
  const memory = new Memory();
  const inputs = shapes.map((shape, i) =>
    tensorOf(
      memory,
      shape,
      wave(
        shape.reduce((a, b) => a * b, 1),
        i,
      ),
    ).detach(true),
  );
  const weigh = (y: Tensor): Float64Array => wave(y.data.length, 7);
  const value = (): number =>
    within({ memory, tape: null, randomness }, () =>
      memory.scope(() => {
        const y = f(...inputs);
        const w = weigh(y);
        return Array.from(y.read()).reduce((total, v, i) => total + v * w[i], 0);
      }),
    );
  const tape = new Tape(memory, { selective });
  const before = memory.account();
  const grads = within({ memory, tape, randomness }, () =>
    memory.scope(() => {
      const y = f(...inputs);
      const dy = memory.gradients.like(y);
      dy.data.set(weigh(y));
      return tape.backward([[y, dy]], inputs).map((grad) => grad?.read());
    }),
  );
  const after = memory.account();
  for (const [name, { inUse }] of Object.entries(after)) {
    expect(inUse, `${name} leaks`).toBe(before[name as keyof typeof before].inUse);
  }
  for (const [n, input] of inputs.entries()) {
    const grad = grads[n];
    expect(grad, `input ${n} has a gradient`).toBeDefined();
    const data = input.data as Float64Array;
    for (let i = 0; i < data.length; i++) {
      const [at, h] = [data[i], 1e-5];
      data[i] = at + h;
      const up = value();
      data[i] = at - h;
      const down = value();
      data[i] = at;
      const expected = (up - down) / (2 * h);
      expect(
        Math.abs(grad![i] - expected),
        `input ${n}[${i}]: ${grad![i]} for ${expected}`,
      ).toBeLessThan(1e-7 * Math.max(1, Math.abs(expected)));
    }
  }
}

/** A scalar's gradient of one, for tests that walk back by hand. */
export function ones(memory: Memory, like: Tensor): Tensor {
  const grad = memory.gradients.like(like);
  fill.run(grad.data, 1);
  return grad;
}
