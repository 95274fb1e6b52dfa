import { describe, expect, test } from 'vitest';
import { swigluBackward, swigluForward } from './swiglu.ts';
import {
  expectClose,
  expectGradients,
  expectSameOnAnyThreads,
  load,
  numbers,
  rounded,
  storages,
  unset,
} from './testing.ts';

describe.each(storages)('%s', (storage) => {
  test.each([1, 17, 40_003])('%d numbers equal the twin', (length) => {
    const gate = rounded(length, 1, storage, -20, 20);
    const up = rounded(length, 2, storage);
    const dy = rounded(length, 3, storage);
    const [y, dGate, dUp] = [0, 1, 2].map(() => unset(length, storage));
    const exact = [0, 1, 2].map(() => new Float64Array(length));
    swigluForward.run(gate.data, up.data, y);
    swigluForward.reference(gate.exact, up.exact, exact[0]);
    expectClose(y, exact[0], { relative: 2e-6, name: 'y' });
    swigluBackward.run(dy.data, gate.data, up.data, dGate, dUp);
    swigluBackward.reference(dy.exact, gate.exact, up.exact, exact[1], exact[2]);
    // 1 + gate · (1 − s) crosses zero near gate = −1.28.
    expectClose(dGate, exact[1], { absolute: 3e-7, relative: 2e-6, name: 'dGate' });
    expectClose(dUp, exact[2], { relative: 2e-6, name: 'dUp' });
  });
});

test('far from zero it is the identity or nothing, and NaN stays NaN', () => {
  const gate = Float32Array.of(1000, -1000, 88.8, -88.8, -104, Number.NaN);
  const y = new Float32Array(gate.length);
  swigluForward.run(gate, new Float32Array(gate.length).fill(1), y);
  expectClose(y.subarray(0, 5), [1000, 0, 88.8, 0, 0], { absolute: 1e-34, relative: 1e-7 });
  expect(y[5]).toBeNaN();
});

test('the twin has the gradient of finite differences', () => {
  expectGradients(
    [numbers(12, 1, -3, 3), numbers(12, 2)],
    ([gate, up]) => {
      const y = new Float64Array(12);
      swigluForward.reference(gate, up, y);
      return y;
    },
    (dy, [gate, up]) => {
      const gradients = [new Float64Array(12), new Float64Array(12)];
      swigluBackward.reference(dy, gate, up, gradients[0], gradients[1]);
      return gradients;
    },
  );
});

test('any number of threads gives the same bits', () => {
  const gate = rounded(100_000, 1, 'f32', -8, 8).data;
  const up = rounded(100_000, 2, 'f32').data;
  expectSameOnAnyThreads(() => {
    const [y, dGate, dUp] = [0, 1, 2].map(() => unset(gate.length, 'f32'));
    swigluForward.run(gate, up, y);
    swigluBackward.run(y, gate, up, dGate, dUp);
    expect(load(y).every(Number.isFinite)).toBe(true);
    return [y, dGate, dUp];
  });
});
