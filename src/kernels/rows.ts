/** @file Rows taken from, put in and added to tables (embeddings, caches), and columns copied between buffers (fused projections). */
import { type FloatArray, kernel } from './kernel.ts';

/** table: [V, D], y: [n, D] with y[i] = table[indices[i]]. An index outside the table is an error. */
export const gatherRows = kernel(
  'gatherRows',
  (table: FloatArray, indices: Int32Array, y: FloatArray): void => {
    const width = y.length / indices.length;
    for (let i = 0; i < indices.length; i++) {
      for (let j = 0; j < width; j++) y[i * width + j] = table[indices[i] * width + j];
    }
  },
  { cost: (_table, indices, y) => ({ bytes: 2 * y.byteLength + indices.byteLength }) },
);

/** table[indices[i]] = x[i], in order; other rows stay. x: [n, D], table: [V, D]. An index outside it is an error. */
export const putRows = kernel(
  'putRows',
  (x: FloatArray, indices: Int32Array, table: FloatArray): void => {
    const width = x.length / indices.length;
    for (let i = 0; i < indices.length; i++) {
      for (let j = 0; j < width; j++) table[indices[i] * width + j] = x[i * width + j];
    }
  },
);

/** table[indices[i]] += dy[i]; rows with the same index are added in their order. */
export const scatterAddRows = kernel(
  'scatterAddRows',
  (dy: FloatArray, indices: Int32Array, table: FloatArray): void => {
    const width = dy.length / indices.length;
    for (let i = 0; i < indices.length; i++) {
      for (let j = 0; j < width; j++) table[indices[i] * width + j] += dy[i * width + j];
    }
  },
  { cost: (dy, indices) => ({ bytes: 3 * dy.byteLength + indices.byteLength }) },
);

/** Copies columns [xOffset, xOffset + width) of x [rows, xWidth] to [yOffset, …) of y [rows, yWidth]. */
export const copyColumns = kernel(
  'copyColumns',
  (
    x: FloatArray,
    rows: number,
    xWidth: number,
    xOffset: number,
    y: FloatArray,
    yWidth: number,
    yOffset: number,
    width: number,
  ): void => {
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < width; i++) y[row * yWidth + yOffset + i] = x[row * xWidth + xOffset + i];
    }
  },
  {
    cost: (x, _rows, xWidth, _from, _y, _yWidth, _to, width) => ({
      bytes: (2 * x.byteLength * width) / xWidth,
    }),
  },
);
