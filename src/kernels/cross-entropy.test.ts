import { expect, test } from 'vitest';
import { crossEntropyBackward, crossEntropyForward } from './cross-entropy.ts';
import {
  expectClose,
  expectGradients,
  expectSameOnAnyThreads,
  numbers,
  rounded,
  unset,
} from './testing.ts';

const shapes = [
  [1, 1],
  [3, 7],
  [5, 257],
  [2, 49152],
] as const;

test.each(shapes)('native equals the twin: %i rows of %i', (rows, width) => {
  const logits = rounded(rows * width, 1, 'f32', -12, 12);
  const targets = Int32Array.from({ length: rows }, (_, i) => (i * 37) % width);
  const [logp, lse, entropy] = [unset(rows, 'f32'), unset(rows, 'f32'), unset(rows, 'f32')];
  const argmax = new Int32Array(rows);
  crossEntropyForward.run(logits.data, targets, logp, lse, argmax, entropy);
  const exact = [0, 1, 2].map(() => new Float64Array(rows));
  const exactArgmax = new Int32Array(rows);
  crossEntropyForward.reference(logits.exact, targets, exact[0], exact[1], exactArgmax, exact[2]);
  // log-sum-exp of a whole vocabulary keeps nearly all of f32: measured 9e-7.
  const close = { absolute: 2e-6, relative: 2e-7 };
  expectClose(logp, exact[0], { ...close, name: 'logp' });
  expectClose(lse, exact[1], { ...close, name: 'lse' });
  expectClose(entropy, exact[2], { absolute: 1e-5, relative: 1e-6, name: 'entropy' });
  expect(argmax).toEqual(exactArgmax);

  const weights = rounded(rows, 2, 'f32');
  const rounded16 = unset(rows * width, 'bf16') as Uint16Array;
  crossEntropyBackward.run(logits.data, lse, targets, weights.data, rounded16);
  crossEntropyBackward.run(logits.data, lse, targets, weights.data, null);
  crossEntropyBackward.reference(logits.exact, exact[1], targets, weights.exact, null);
  expectClose(rounded16, logits.exact, { absolute: 3e-7, relative: 2e-6, name: 'in bf16' });
  expectClose(logits.data, logits.exact, { absolute: 3e-7, relative: 2e-6, name: 'gradient' });
});

test('a logit that is no number is not hidden', () => {
  const logits = Float32Array.from([1, Number.NaN, 3, 4]);
  const [logp, lse] = [unset(1, 'f32'), unset(1, 'f32')];
  crossEntropyForward.run(logits, Int32Array.of(0), logp, lse, null, null);
  expect(logp[0]).toBeNaN();
});

test('the twin’s gradient', () => {
  const targets = Int32Array.of(2, 0, 4);
  expectGradients(
    [numbers(15, 1, -3, 3)],
    ([logits]) => {
      const [logp, lse] = [new Float64Array(3), new Float64Array(3)];
      crossEntropyForward.reference(logits, targets, logp, lse, null, null);
      return logp;
    },
    (dy, [logits]) => {
      const [logp, lse] = [new Float64Array(3), new Float64Array(3)];
      crossEntropyForward.reference(logits, targets, logp, lse, null, null);
      const gradient = logits.slice();
      crossEntropyBackward.reference(gradient, lse, targets, dy, null);
      return [gradient];
    },
  );
});

test('any number of threads gives the same bits', () => {
  const logits = rounded(40 * 500, 3, 'f32', -5, 5).data;
  const targets = Int32Array.from({ length: 40 }, (_, i) => i * 3);
  expectSameOnAnyThreads(() => {
    const [logp, lse] = [unset(40, 'f32'), unset(40, 'f32')];
    crossEntropyForward.run(logits, targets, logp, lse, null, null);
    const gradient = logits.slice();
    crossEntropyBackward.run(gradient, lse, targets, null, null);
    return [logp, lse, gradient];
  });
});
