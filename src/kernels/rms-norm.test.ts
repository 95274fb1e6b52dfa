import { expect, test } from 'vitest';
import { rmsNormForward } from './rms-norm.ts';

test('native equals the twin', () => {
  const [rows, width] = [37, 70];
  const x = Float32Array.from({ length: rows * width }, (_, i) => Math.sin(i * 1.7));
  const weight = Float32Array.from({ length: width }, (_, i) => 1 + Math.cos(i));
  const [y, rstd] = [new Float32Array(rows * width), new Float32Array(rows)];
  rmsNormForward.run(x, weight, 1e-5, y, rstd);
  const [expectedY, expectedRstd] = [new Float64Array(rows * width), new Float64Array(rows)];
  rmsNormForward.reference(
    Float64Array.from(x),
    Float64Array.from(weight),
    1e-5,
    expectedY,
    expectedRstd,
  );
  for (let i = 0; i < y.length; i++) expect(Math.abs(y[i]! - expectedY[i]!)).toBeLessThan(1e-6);
  for (let i = 0; i < rows; i++) expect(Math.abs(rstd[i]! - expectedRstd[i]!)).toBeLessThan(1e-6);
});
