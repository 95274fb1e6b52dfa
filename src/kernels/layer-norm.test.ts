import { describe, expect, test } from 'vitest';
import { layerNormBackward, layerNormForward } from './layer-norm.ts';
import {
  expectClose,
  expectGradients,
  expectSameOnAnyThreads,
  rounded,
  storages,
  unset,
} from './testing.ts';

const eps = 1e-5;
const shapes = [
  [37, 70],
  [1, 576],
  [700, 64],
] as const;

describe.each(storages)('%s', (storage) => {
  test.each(storages)('equals the twin, %s weight', (weightStorage) => {
    for (const [rows, width] of shapes) {
      for (const withBias of [true, false]) {
        // Far from zero: the mean must not swallow the deviations.
        const x = rounded(rows * width, 1, storage, 2, 4);
        const dy = rounded(rows * width, 2, storage);
        const weight = rounded(width, 3, weightStorage, 0.5, 1.5);
        const bias = withBias ? rounded(width, 4, weightStorage) : null;
        const [y, dx] = [unset(rows * width, storage), unset(rows * width, storage)];
        const [mean, rstd] = [unset(rows, 'f32'), unset(rows, 'f32')];
        const [dWeight, dBias] = [unset(width, 'f32'), unset(width, 'f32')];
        const exact = {
          ...{ y: new Float64Array(rows * width), dx: new Float64Array(rows * width) },
          ...{ mean: new Float64Array(rows), rstd: new Float64Array(rows) },
          ...{ dWeight: new Float64Array(width), dBias: new Float64Array(width) },
        };
        layerNormForward.run(x.data, weight.data, bias?.data ?? null, eps, y, mean, rstd);
        layerNormForward.reference(
          ...([x.exact, weight.exact, bias?.exact ?? null, eps] as const),
          ...([exact.y, exact.mean, exact.rstd] as const),
        );
        expectClose(y, exact.y, { absolute: 2e-6, relative: 1e-6, name: 'y' });
        expectClose(mean, exact.mean, { relative: 5e-7, name: 'mean' });
        expectClose(rstd, exact.rstd, { relative: 1e-6, name: 'rstd' });
        layerNormBackward.run(dy.data, x.data, weight.data, mean, rstd, dx, dWeight, dBias);
        layerNormBackward.reference(
          ...([dy.exact, x.exact, weight.exact, exact.mean, exact.rstd] as const),
          ...([exact.dx, exact.dWeight, exact.dBias] as const),
        );
        expectClose(dx, exact.dx, { absolute: 3e-6, relative: 2e-6, name: 'dx' });
        expectClose(dWeight, exact.dWeight, { absolute: 3e-5, relative: 2e-6, name: 'dWeight' });
        expectClose(dBias, exact.dBias, { absolute: 1e-5, relative: 1e-6, name: 'dBias' });
      }
    }
  });
});

test('null gradients are left out, and change nothing in the others', () => {
  const [rows, width] = [9, 24];
  const x = rounded(rows * width, 1, 'f32').data;
  const weight = rounded(width, 3, 'f32').data;
  const [mean, rstd] = [new Float32Array(rows), new Float32Array(rows)];
  layerNormForward.run(x, weight, null, eps, new Float32Array(rows * width), mean, rstd);
  const make = () => [rows * width, width, width].map((length) => new Float32Array(length));
  const [all, alone] = [make(), make()];
  layerNormBackward.run(x, x, weight, mean, rstd, all[0], all[1], all[2]);
  layerNormBackward.run(x, x, weight, mean, rstd, alone[0], null, null);
  layerNormBackward.run(x, x, weight, mean, rstd, null, alone[1], null);
  layerNormBackward.run(x, x, weight, mean, rstd, null, null, alone[2]);
  expect(alone).toEqual(all);
});

test('the twin has the gradient of finite differences', () => {
  const [rows, width] = [3, 8];
  const forward = ([x, weight, bias]: readonly Float64Array[]) => {
    const y = new Float64Array(rows * width);
    const [mean, rstd] = [new Float64Array(rows), new Float64Array(rows)];
    layerNormForward.reference(x, weight, bias, eps, y, mean, rstd);
    return { y, mean, rstd };
  };
  expectGradients(
    [rows * width, width, width].map((length, i) => rounded(length, i + 1, 'f32').exact),
    (inputs) => forward(inputs).y,
    (dy, inputs) => {
      const { mean, rstd } = forward(inputs);
      const gradients = inputs.map((input) => new Float64Array(input.length));
      layerNormBackward.reference(
        ...([dy, inputs[0], inputs[1], mean, rstd] as const),
        ...([gradients[0], gradients[1], gradients[2]] as const),
      );
      return gradients;
    },
  );
});

test('any number of threads gives the same bits', () => {
  const [rows, width] = [999, 96];
  const x = rounded(rows * width, 1, 'bf16').data;
  const weight = rounded(width, 2, 'f32').data;
  expectSameOnAnyThreads(() => {
    const [y, dx] = [unset(rows * width, 'bf16'), unset(rows * width, 'bf16')];
    const [mean, rstd] = [new Float32Array(rows), new Float32Array(rows)];
    const [dWeight, dBias] = [new Float32Array(width), new Float32Array(width)];
    layerNormForward.run(x, weight, weight, eps, y, mean, rstd);
    layerNormBackward.run(y, x, weight, mean, rstd, dx, dWeight, dBias);
    return [y, mean, rstd, dx, dWeight, dBias];
  });
});
