import { describe, expect, test } from 'vitest';
import { geluBackward, geluForward } from './gelu.ts';
import {
  expectClose,
  expectGradients,
  expectSameOnAnyThreads,
  numbers,
  rounded,
  storages,
  unset,
} from './testing.ts';

describe.each([false, true])('tanh: %s', (tanh) => {
  test.each(storages)('%s equals the twin, in the tails too', (storage) => {
    for (const [length, range] of [
      [40_003, 6],
      [5001, 12],
    ]) {
      const x = rounded(length, 1, storage, -range, range);
      const dy = rounded(length, 2, storage);
      const [y, dx] = [unset(length, storage), unset(length, storage)];
      const exact = [new Float64Array(length), new Float64Array(length)];
      geluForward.run(x.data, y, tanh);
      geluForward.reference(x.exact, exact[0], tanh);
      expectClose(y, exact[0], { absolute: 1e-10, relative: 1e-5, name: 'y' });
      geluBackward.run(dy.data, x.data, tanh, dx);
      geluBackward.reference(dy.exact, x.exact, tanh, exact[1]);
      expectClose(dx, exact[1], { absolute: 5e-7, relative: 5e-7, name: 'dx' });
    }
  });

  test('the twin has the gradient of finite differences', () => {
    expectGradients(
      [numbers(40, 1, -5, 5)],
      ([x]) => {
        const y = new Float64Array(x.length);
        geluForward.reference(x, y, tanh);
        return y;
      },
      (dy, [x]) => {
        const dx = new Float64Array(x.length);
        geluBackward.reference(dy, x, tanh, dx);
        return [dx];
      },
    );
  });

  test('any number of threads gives the same bits', () => {
    const x = rounded(100_000, 1, 'f32', -5, 5).data;
    expectSameOnAnyThreads(() => {
      const [y, dx] = [unset(x.length, 'f32'), unset(x.length, 'f32')];
      geluForward.run(x, y, tanh);
      geluBackward.run(y, x, tanh, dx);
      return [y, dx];
    });
  });

  test('NaN stays NaN', () => {
    const y = new Float32Array(1);
    geluForward.run(Float32Array.of(Number.NaN), y, tanh);
    expect(y[0]).toBeNaN();
  });
});

test('the twin knows the published values of x · Φ(x)', () => {
  const x = Float64Array.of(-4, -1, 0.5, 1, 2, 3.5);
  const y = new Float64Array(x.length);
  geluForward.reference(x, y, false);
  // Φ from tables: 3.167124183e-5, 0.1586552539, 0.6914624613, 0.8413447461, 0.9772498681, 0.9997673709.
  const phi = [
    3.167124183e-5, 0.1586552539, 0.6914624613, 0.8413447461, 0.9772498681, 0.9997673709,
  ];
  expectClose(
    y,
    phi.map((v, i) => v * x[i]),
    { relative: 3e-10 },
  );
});
