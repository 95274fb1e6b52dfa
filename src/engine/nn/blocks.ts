/**
 * @file The blocks of a decoder, one after the other. Of the last one only the asked rows are anybody's input: there
 * all rows give keys and values, and nothing else is computed of a row that no loss will read.
 */
import { checkpoint } from '../op.ts';
import { takeRows } from '../ops/take-rows.ts';
import { type Randomness, session, within } from '../session.ts';
import type { Tensor } from '../tensor.ts';
import type { Context } from './context.ts';
import { heads } from './functions.ts';
import type { Linear } from './linear.ts';
import { type RopeTable, ropeTable } from './rope.ts';

/** What a block knows of its pass. `rows` are those that it must yield itself. */
export type BlockContext = Context & {
  /** Its number: the cache keeps each one's keys and values. */
  readonly layer: number;
  /** Angles of every row; null where positions are no rotations. */
  readonly table: RopeTable | null;
};

/** x: [T, D] → [T, D], or the rows that the context asks for: [n, D] */
export function blocks(
  layers: readonly ((x: Tensor, context: BlockContext) => Tensor)[],
  x: Tensor,
  context: Context,
  frequencies: Float32Array | null,
): Tensor {
  const angles = frequencies && ropeTable(context.positions, frequencies);
  return layers.reduce((x, block, layer) => {
    const rows = layer === layers.length - 1 ? (context.rows ?? null) : null;
    const work = (x: Tensor, cos?: Tensor, sin?: Tensor): Tensor => {
      const table = cos && sin ? { cos, sin } : null;
      return within({ randomness: withRows(session().randomness, rows) }, () =>
        block(x, { ...context, rows, layer, table }),
      );
    };
    const inputs = angles ? [x, angles.cos, angles.sin] : [x];
    return context.checkpointing ? checkpoint(work, inputs) : work(x, angles?.cos, angles?.sin);
  }, x);
}

/** The rows of x, [T, …], that the block must yield: x itself where it is asked for all. */
export const asked = (x: Tensor, { rows }: Pick<Context, 'rows'>): Tensor =>
  rows ? takeRows([x], { rows }) : x;

/** Queries of the asked rows, [n, H, E], keys and values of all, [T, K, E]. x: [T, D] */
export function queriesKeysValues(
  [q, k, v]: readonly [q: Linear, k: Linear, v: Linear],
  x: Tensor,
  width: number,
  context: BlockContext,
): [q: Tensor, k: Tensor, v: Tensor] {
  return [heads(q(asked(x, context)), width), heads(k(x), width), heads(v(x), width)];
}

const withRows = (randomness: Randomness | null, rows: Int32Array | null): Randomness | null =>
  rows && randomness ? { ...randomness, asked: rows } : randomness;
