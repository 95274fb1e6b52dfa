import { expect, test } from 'vitest';
import { BlockPool, BlockTable } from './blocks.ts';

test('a block is taken once, and free again when its last holder lets go', () => {
  const pool = new BlockPool(3, 4);
  const taken = [pool.take(), pool.take()];
  expect(taken).toEqual([0, 1]);
  expect([pool.free, pool.rows]).toEqual([1, 8]);
  pool.hold(0);
  pool.release(0);
  expect([pool.free, pool.holdersOf(0)]).toEqual([1, 1]);
  pool.release(0);
  expect(pool.free).toBe(2);
  // What was used before comes first: memory that was never touched stays so.
  expect([pool.take(), pool.take(), pool.take()]).toEqual([0, 2, undefined]);
});

test('a table names the row of each token, and joins blocks that lie side by side', () => {
  const table = new BlockTable({ size: 4 });
  table.blocks.push(5, 6, 2, 9, 10);
  expect(table.capacity).toBe(20);
  expect([0, 3, 4, 8, 17].map((position) => table.row(position))).toEqual([20, 23, 24, 8, 41]);
  const ranges = new Int32Array(20).fill(-1);
  expect(table.writeRanges(18, ranges, 1)).toBe(4);
  expect([...ranges.subarray(0, 9)]).toEqual([-1, -1, 20, 8, 8, 4, 36, 6, -1]);
  expect(table.writeRanges(8, ranges, 0)).toBe(1);
  expect(table.writeRanges(0, ranges, 3)).toBe(3);
  // Every token's row, in order, whatever the length.
  for (let length = 0; length <= 20; length++) {
    const end = table.writeRanges(length, ranges, 0);
    const rows: number[] = [];
    for (let r = 0; r < end; r++) {
      for (let i = 0; i < ranges[2 * r + 1]; i++) rows.push(ranges[2 * r] + i);
    }
    expect(rows).toEqual(Array.from({ length }, (_, position) => table.row(position)));
  }
});
