/** Gradients that are added to where they stand, and copies that last a step. */
import { expect, test } from 'vitest';
import { recordKernels } from '../kernels/kernel.ts';
import { Memory } from './memory.ts';
import { add } from './ops/add.ts';
import { embedding } from './ops/embedding.ts';
import { linear } from './ops/linear.ts';
import { linearCrossEntropy } from './ops/linear-cross-entropy.ts';
import { loraLinear } from './ops/lora-linear.ts';
import { Parameter } from './parameter.ts';
import { RoundedCopies } from './rounded.ts';
import { within } from './session.ts';
import { Tape } from './tape.ts';
import type { Tensor } from './tensor.ts';
import { ones, tensorOf, wave } from './testing.ts';

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function parameter(memory: Memory, shape: readonly number[], phase: number): Parameter {
  const made = new Parameter(shape);
  made.set(tensorOf(memory, shape, wave(sizeOf(shape), phase), 'f32'), true);
  return made;
}

/** Every layer that has products, on rows that come twice: a table that is also the head, weights, and adapters. */
function network(memory: Memory) {
  const parameters = [
    [9, 6],
    [6, 6],
    [6, 6],
    [2, 6],
    [6, 2],
  ].map((shape, i) => parameter(memory, shape, i));
  const [table, first, second, a, b] = parameters;
  const pass = (indices: Int32Array): Tensor => {
    const x = embedding([table.tensor], { indices, padding: 2 });
    const options = { scale: 0.5, dropout: 0, purpose: 1, randomness: null };
    const left = linear([x, first.tensor, null], null);
    const right = loraLinear([x, second.tensor, null, a.tensor, b.tensor], options);
    const hidden = add([left, right], null);
    return linearCrossEntropy([hidden, table.tensor, null], { targets: indices, chunk: 2 });
  };
  const learn = (indices: readonly number[]): void => {
    const tape = new Tape(memory);
    within({ memory, tape }, () =>
      memory.scope(() => {
        const y = pass(Int32Array.from(indices));
        tape.backward([[y, ones(memory, y)]]);
      }),
    );
  };
  const gradients = (): number[][] => parameters.map(({ grad }) => [...(grad?.read() ?? [])]);
  const clear = (): void => {
    for (const each of parameters) each.clearGrad();
  };
  return { learn, gradients, clear };
}

test('a step of several micro-batches has the sum of their gradients, and no product waits to be added', () => {
  const { learn, gradients, clear } = network(new Memory());
  const parts = [
    [1, 2, 5],
    [2, 7, 7, 0],
  ];
  const apart = parts.map((part) => {
    learn(part);
    const of = gradients();
    clear();
    return of;
  });
  const calls = recordKernels(() => {
    for (const part of parts) learn(part);
  });
  for (const [i, gradient] of gradients().entries()) {
    for (const [j, value] of gradient.entries()) {
      expect(value).toBeCloseTo(apart[0][i][j] + apart[1][i][j], 5);
    }
  }
  expect(calls.map(({ name }) => name)).not.toContain('addInto');
});

test('a gradient that two values share is not added to where it stands', () => {
  const memory = new Memory();
  const tape = new Tape(memory);
  const [x, w] = [
    [3, 4],
    [4, 4],
  ].map((shape, i) => tensorOf(memory, shape, wave(sizeOf(shape), i), 'f32').detach(i === 0));
  const before = tensorOf(memory, [3, 4], wave(12, 3), 'f32').detach(true);
  within({ memory, tape }, () =>
    memory.scope(() => {
      // An addition gives one gradient to both sides.
      const sum = add([linear([x, w, null], null), add([x, before], null)], null);
      const [dx, dBefore] = tape.backward([[sum, ones(memory, sum)]], [x, before]);
      expect([...(dBefore?.read() ?? [])]).toEqual(Array(12).fill(1));
      const weights = w.read();
      for (const [i, value] of (dx?.read() ?? []).entries()) {
        const through = [0, 1, 2, 3].reduce((total, row) => total + weights[row * 4 + (i % 4)], 0);
        expect(value).toBeCloseTo(1 + through, 5);
      }
    }),
  );
});

test('low-rank factors are rounded once a step beside bf16', () => {
  const memory = new Memory();
  const [w, a, b] = [
    [6, 8],
    [2, 8],
    [6, 2],
  ].map((shape, i) => parameter(memory, shape, i));
  const x = tensorOf(memory, [3, 8], new Uint16Array(24).fill(0x3f80), 'bf16').detach(true);
  const copies = new RoundedCopies(memory);
  const before = memory.account().trainable.inUse;
  const options = { scale: 0.5, dropout: 0, purpose: 1, randomness: null };
  const results: number[][] = [];
  const learn = (rounded: RoundedCopies | null) => (): void => {
    const tape = new Tape(memory);
    within({ memory, tape, rounded }, () =>
      memory.scope(() => {
        const y = loraLinear([x, w.tensor, null, a.tensor, b.tensor], options);
        const grad = tensorOf(memory, y.shape, new Uint16Array(18).fill(0x3f80), 'bf16');
        const [dx] = tape.backward([[y, grad]], [x]);
        results.push([...y.read(), ...(dx?.read() ?? [])]);
      }),
    );
  };
  const roundings = (work: () => void): number =>
    recordKernels(work).filter(({ name }) => name === 'toBf16').length;
  expect(roundings(learn(copies))).toBe(2);
  expect(roundings(learn(copies))).toBe(0);
  expect(roundings(learn(null))).toBe(4);
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
  copies.release();
  expect(memory.account().trainable.inUse).toBe(before);
  b.tensor.data.fill(0);
  expect(roundings(learn(copies))).toBe(2);
  expect(results[3]).not.toEqual(results[0]);
});
