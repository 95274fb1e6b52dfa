/** @file Rows of a tensor, each taken at most once: what a pass is asked for. */
import { fill } from '../../kernels/elementwise.ts';
import { gatherRows, putRows } from '../../kernels/rows.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

/** x: [T, …], rows: [n], all different → [n, …] */
export const takeRows = defineOp('take-rows', {
  forward([x]: readonly [x: Tensor], { rows }: { readonly rows: Int32Array }, memory) {
    const y = memory.activations.tensor([rows.length, ...x.shape.slice(1)], x.dtype);
    gatherRows.run(x.data, rows, y.data);
    return { y, saved: { rows, shape: x.shape } };
  },

  backward(dy, { rows, shape }, _needs, memory) {
    const dx = memory.gradients.tensor(shape, dy.dtype);
    fill.run(dx.data, 0);
    putRows.run(dy.data, rows, dx.data);
    return [dx];
  },
});
