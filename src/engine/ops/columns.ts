/** @file A range of columns: what a fused projection (`query_key_value`, `W_pack`) is taken apart with. */
import { fill } from '../../kernels/elementwise.ts';
import { copyColumns } from '../../kernels/rows.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

type Options = { readonly from: number; readonly width: number };

/** x: [T, D] → [T, width] */
export const columns = defineOp('columns', {
  forward([x]: readonly [x: Tensor], { from, width }: Options, memory) {
    const y = memory.activations.tensor([x.rows, width], x.dtype);
    copyColumns.run(x.data, x.rows, x.width, from, y.data, width, 0, width);
    return { y, saved: { from, width: x.width } };
  },

  backward(dy, { from, width }, _needs, memory) {
    const dx = memory.gradients.tensor([dy.rows, width], dy.dtype);
    fill.run(dx.data, 0);
    copyColumns.run(dy.data, dy.rows, dy.width, 0, dx.data, width, from, dy.width);
    return [dx];
  },
});
