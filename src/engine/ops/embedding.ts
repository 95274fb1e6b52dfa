/** @file Rows of a table by index: token embeddings, and the positions that a loss asks for. */
import { toBf16 } from '../../kernels/convert.ts';
import { fill } from '../../kernels/elementwise.ts';
import { gatherRows, scatterAddRows } from '../../kernels/rows.ts';
import { defineOp } from '../op.ts';
import type { Dtype, Tensor } from '../tensor.ts';

type Options = {
  /** [n] */
  readonly indices: Int32Array;
  /** Storage of the result; the table's where unset. */
  readonly dtype?: Dtype | undefined;
  /** A row that gets no gradient from here, as torch's `padding_idx`. */
  readonly padding?: number | null;
};

/** table: [V, D] → [n, D] */
export const embedding = defineOp('embedding', {
  forward([table]: readonly [table: Tensor], { indices, dtype, padding = null }: Options, memory) {
    // Rows of a table in blocks come out as numbers: f32, unless the caller says otherwise.
    const stored = table.dtype === 'blocks' ? 'f32' : table.dtype;
    const y = memory.activations.tensor([indices.length, table.width], dtype ?? stored);
    gatherRows.run(table.data, indices, y.data);
    return { y, saved: { indices, table, padding } };
  },

  backward(dy, { indices, table, padding }, _needs, memory) {
    // Rows that stand twice are added up, which bf16 is too coarse for.
    const sums =
      table.dtype === 'bf16'
        ? memory.workspace.tensor(table.shape, 'f32')
        : memory.gradients.like(table);
    fill.run(sums.data, 0);
    scatterAddRows.run(dy.data, indices, sums.data);
    if (padding !== null) {
      fill.run(sums.data.subarray(padding * table.width, (padding + 1) * table.width), 0);
    }
    if (table.dtype !== 'bf16') return [sums];
    const dTable = memory.gradients.like(table);
    toBf16.run(sums.data, dTable.data);
    return [dTable];
  },
});
