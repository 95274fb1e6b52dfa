import { describe, expect, test } from 'vitest';
import { BlockPool } from './blocks.ts';
import { PrefixTree } from './prefix-tree.ts';

const size = 4;
const ids = (text: string): Int32Array => Int32Array.from(Buffer.from(text));

function setUp(blocks: number) {
  const pool = new BlockPool(blocks, size);
  const tree = new PrefixTree(pool);
  /** A sequence that reads `text` and ends: gives its blocks. */
  const read = (text: string): number[] => {
    const blocks = Array.from({ length: Math.ceil(text.length / size) }, () => pool.take()!);
    tree.insert(ids(text), text.length, blocks);
    for (const block of blocks) pool.release(block);
    return blocks;
  };
  return { pool, tree, read };
}

describe('a prefix', () => {
  test('is found to the token: whole blocks to share, and a part to copy', () => {
    const { tree, read } = setUp(8);
    const [a, b, c] = read('abcdefghij');
    expect(tree.match(ids('abcdefghijkl'), 12)).toEqual({
      blocks: [a, b],
      part: { block: c, rows: 2 },
    });
    expect(tree.match(ids('abcdefXY'), 8)).toEqual({ blocks: [a], part: { block: b, rows: 2 } });
    expect(tree.match(ids('abcdefgh'), 7)).toEqual({ blocks: [a], part: { block: b, rows: 3 } });
    expect(tree.match(ids('abcdefgh'), 8)).toEqual({ blocks: [a, b], part: undefined });
    expect(tree.match(ids('xbcd'), 4)).toEqual({ blocks: [], part: undefined });
  });

  test('that was read twice is kept once, and its reader is given the block that is kept', () => {
    const { pool, tree } = setUp(8);
    const first = [pool.take()!, pool.take()!];
    const second = [pool.take()!, pool.take()!];
    tree.insert(ids('abcdef'), 6, first);
    tree.insert(ids('abcdXY'), 6, second);
    expect(second[0]).toBe(first[0]);
    expect([pool.holdersOf(first[0]), pool.free]).toEqual([3, 5]);
  });

  test('that grows takes the place of its part', () => {
    const { pool, tree, read } = setUp(8);
    read('abcdef');
    const [a, b] = read('abcdefgh');
    expect(tree.match(ids('abcdefghi'), 9)).toEqual({ blocks: [0, b], part: undefined });
    expect(a).toBe(0);
    expect(pool.free).toBe(6);
  });
});

test('the least recently used leaf goes first, and nothing that is in use', () => {
  const { pool, tree, read } = setUp(6);
  const [a] = read('abcdefgh');
  read('abcdEFGH');
  read('wxyz');
  expect([pool.free, tree.evictable]).toEqual([2, 4]);
  tree.match(ids('abcdefgh'), 8);
  pool.hold(a);
  expect(tree.evictable).toBe(3);
  expect(tree.evict()).toBe(true);
  expect(tree.match(ids('abcdEFGH'), 8).blocks).toEqual([a]);
  expect(tree.evict()).toBe(true);
  expect(tree.match(ids('wxyz'), 4).blocks).toEqual([]);
  expect(tree.evict()).toBe(true);
  // Held from outside: it stays.
  expect(tree.evict()).toBe(false);
  expect([pool.free, tree.evictable]).toEqual([5, 0]);
  pool.release(a);
  expect([tree.evict(), pool.free]).toEqual([true, 6]);
});
