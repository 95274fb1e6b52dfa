/** @file Passes through a model with its cache: tokens that are new to each sequence go in, hidden states come out. */
import type { Memory } from '../engine/memory.ts';
import type { Cache, CausalLM } from '../engine/nn/index.ts';
import type { KeyRanges } from '../engine/ops/attention.ts';
import { multiply } from '../engine/ops/products.ts';
import { within } from '../engine/session.ts';
import type { Tensor } from '../engine/tensor.ts';
import type { BlockTable } from './blocks.ts';

export type Loaded = { readonly model: CausalLM; readonly memory: Memory };

/** What a pass reads of one sequence: `ids` go on from token `at`, and `table` has room for them. */
export type Piece = {
  readonly ids: Int32Array;
  readonly at: number;
  readonly table: BlockTable;
};

/** What a pass over `T` tokens of `N` sequences is told, in arrays that may be filled again. */
export type PassArrays = {
  /** [T] each */
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  readonly rows: Int32Array;
  /** First token of each piece, and the end: [N + 1]. */
  readonly documents: Int32Array;
  readonly ranges: KeyRanges;
};

export const passArrays = (T: number, N: number, ranges: number): PassArrays => ({
  ids: new Int32Array(T),
  positions: new Int32Array(T),
  rows: new Int32Array(T),
  documents: new Int32Array(N + 1),
  ranges: { ranges: new Int32Array(2 * ranges), starts: new Int32Array(N + 1) },
});

export function writePieces(pieces: readonly Piece[], into: PassArrays): void {
  const { ids, positions, rows, documents, ranges } = into;
  for (let n = 0; n < pieces.length; n++) {
    const { ids: own, at, table } = pieces[n];
    const first = documents[n];
    ids.set(own, first);
    for (let i = 0; i < own.length; i++) {
      positions[first + i] = at + i;
      rows[first + i] = table.row(at + i);
    }
    documents[n + 1] = first + own.length;
    ranges.starts[n + 1] = table.writeRanges(at + own.length, ranges.ranges, ranges.starts[n]);
  }
}

/**
 * Reads the pieces, each the continuation of its sequence. `use` gets the hidden states, [T, D], with the first row of
 * each piece and the end, [N + 1], and may keep nothing of them. What a token gives depends neither on how its sequence
 * was cut into pieces nor on what else is in a pass.
 */
export function forward<Result>(
  { model, memory }: Loaded,
  cache: Cache,
  pieces: readonly Piece[],
  use: (hidden: Tensor, documents: Int32Array) => Result,
): Result {
  const sum = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0);
  const T = sum(pieces.map(({ ids }) => ids.length));
  const blocks = sum(pieces.map(({ table }) => table.blocks.length));
  const arrays = passArrays(T, pieces.length, blocks);
  writePieces(pieces, arrays);
  const { ids, positions, documents, rows, ranges } = arrays;
  const context = { positions, documents, cache: cache.pass(rows, ranges), checkpointing: false };
  return within({ memory, tape: null, randomness: null }, () =>
    memory.scope(() => use(model.decoder({ ids }, context), documents)),
  );
}

/** hidden: [n, D] → logits: [n, V], f32 whatever the weights are. */
export function logitsOf({ model, memory }: Loaded, hidden: Tensor): Tensor {
  const { weight, bias } = model.head;
  const logits = memory.workspace.tensor([hidden.rows, weight.shape[0]], 'f32');
  multiply(hidden, weight.tensor, logits, { bias: bias?.tensor ?? null });
  return logits;
}
