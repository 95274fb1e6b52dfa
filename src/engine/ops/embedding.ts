/** @file Rows of a table by index: token embeddings, and the positions that a loss asks for. */
import { toBf16 } from '../../kernels/convert.ts';
import { copy } from '../../kernels/copy.ts';
import { fill } from '../../kernels/elementwise.ts';
import { gatherRows, scatterAddRows } from '../../kernels/rows.ts';
import { defineOp, room } from '../op.ts';
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

  backward(dy, { indices, table, padding }, _needs, memory, [begun]) {
    // Rows that stand twice are added up, which bf16 is too coarse for.
    const { to: sums, beta } =
      table.dtype === 'bf16'
        ? { to: memory.workspace.tensor(table.shape, 'f32'), beta: 0 }
        : room(begun, () => memory.gradients.like(table));
    if (beta === 0) fill.run(sums.data, 0);
    const [from, to] = [padding ?? 0, (padding ?? -1) + 1].map((row) => row * table.width);
    const padded = sums.data.subarray(from, to);
    const before = memory.workspace.tensor([padded.length], sums.dtype);
    copy.run(padded, before.data);
    scatterAddRows.run(dy.data, indices, sums.data);
    copy.run(before.data, padded);
    if (table.dtype !== 'bf16') return [sums];
    const dTable = memory.gradients.like(table);
    toBf16.run(sums.data, dTable.data);
    return [dTable];
  },
});
