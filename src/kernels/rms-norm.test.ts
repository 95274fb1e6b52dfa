import { describe, expect, test } from 'vitest';
import { rmsNormBackward, rmsNormForward } from './rms-norm.ts';
import {
  expectClose,
  expectGradients,
  expectSameOnAnyThreads,
  rounded,
  storages,
  unset,
} from './testing.ts';

const eps = 1e-5;
/** Ragged, one row, one column, and enough rows for several tasks and partial sums. */
const shapes = [
  [37, 70],
  [1, 576],
  [5, 1],
  [700, 64],
] as const;

describe.each(storages)('%s', (storage) => {
  test.each(storages)('equals the twin, %s weight', (weightStorage) => {
    for (const [rows, width] of shapes) {
      const x = rounded(rows * width, 1, storage);
      const dy = rounded(rows * width, 2, storage);
      const weight = rounded(width, 3, weightStorage, 0.5, 1.5);
      const y = unset(rows * width, storage);
      const rstd = new Float32Array(rows);
      rmsNormForward.run(x.data, weight.data, eps, y, rstd);
      const exact = { y: new Float64Array(rows * width), rstd: new Float64Array(rows) };
      rmsNormForward.reference(x.exact, weight.exact, eps, exact.y, exact.rstd);
      expectClose(y, exact.y, { relative: 1e-6, name: 'y' });
      expectClose(rstd, exact.rstd, { relative: 1e-6, name: 'rstd' });

      const dx = unset(rows * width, storage);
      const dWeight = unset(width, 'f32');
      rmsNormBackward.run(dy.data, x.data, weight.data, rstd, dx, dWeight);
      const exactDx = new Float64Array(rows * width);
      const exactDWeight = new Float64Array(width);
      rmsNormBackward.reference(dy.exact, x.exact, weight.exact, exact.rstd, exactDx, exactDWeight);
      // With one column the exact gradient is all but zero: the two terms cancel.
      expectClose(dx, exactDx, { absolute: 2e-6, relative: 2e-6, name: 'dx' });
      expectClose(dWeight, exactDWeight, { absolute: 5e-6, relative: 1e-6, name: 'dWeight' });
    }
  });
});

test('null gradients are left out, and change nothing in the other one', () => {
  const [rows, width] = [9, 24];
  const x = rounded(rows * width, 1, 'f32').data;
  const weight = rounded(width, 3, 'f32').data;
  const rstd = new Float32Array(rows);
  rmsNormForward.run(x, weight, eps, new Float32Array(rows * width), rstd);
  const both = [new Float32Array(rows * width), new Float32Array(width)];
  const alone = [new Float32Array(rows * width), new Float32Array(width)];
  rmsNormBackward.run(x, x, weight, rstd, both[0], both[1]);
  rmsNormBackward.run(x, x, weight, rstd, alone[0], null);
  rmsNormBackward.run(x, x, weight, rstd, null, alone[1]);
  expect(alone).toEqual(both);
});

test('the twin has the gradient of finite differences', () => {
  const [rows, width] = [3, 8];
  const x = rounded(rows * width, 1, 'f32').exact;
  const weight = rounded(width, 2, 'f32').exact;
  const forward = ([x, weight]: readonly Float64Array[]) => {
    const y = new Float64Array(rows * width);
    const rstd = new Float64Array(rows);
    rmsNormForward.reference(x, weight, eps, y, rstd);
    return { y, rstd };
  };
  expectGradients(
    [x, weight],
    (inputs) => forward(inputs).y,
    (dy, [x, weight]) => {
      const gradients = [new Float64Array(rows * width), new Float64Array(width)];
      const { rstd } = forward([x, weight]);
      rmsNormBackward.reference(dy, x, weight, rstd, gradients[0], gradients[1]);
      return gradients;
    },
  );
});

test('any number of threads gives the same bits', () => {
  const [rows, width] = [999, 96];
  const x = rounded(rows * width, 1, 'bf16').data;
  const weight = rounded(width, 2, 'f32').data;
  expectSameOnAnyThreads(() => {
    const y = unset(rows * width, 'bf16');
    const rstd = new Float32Array(rows);
    rmsNormForward.run(x, weight, eps, y, rstd);
    const dx = unset(rows * width, 'bf16');
    const dWeight = new Float32Array(width);
    rmsNormBackward.run(y, x, weight, rstd, dx, dWeight);
    return [y, rstd, dx, dWeight];
  });
});

test('buffers that do not fit each other are refused', () => {
  const x = new Float32Array(12);
  const rstd = new Float32Array(3);
  expect(() => rmsNormForward.run(x, new Float32Array(5), eps, x, rstd)).toThrow(
    /`x` has 12 elements/,
  );
  expect(() => rmsNormForward.run(x, new Float32Array(4), eps, new Float32Array(8), rstd)).toThrow(
    /`y` has 8 elements where 12 are needed/,
  );
});
