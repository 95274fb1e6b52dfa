/** @file Passes through a model with its cache: tokens that are new to each sequence go in, hidden states come out. */
import type { Memory } from '../engine/memory.ts';
import type { Cache, CausalLM } from '../engine/nn/index.ts';
import { within } from '../engine/session.ts';
import type { Tensor } from '../engine/tensor.ts';
import { gemm } from '../kernels/gemm.ts';

export type Loaded = { readonly model: CausalLM; readonly memory: Memory };

/** Most tokens of one pass, whatever the prompt's length: memory and the answer to a cancel are bounded by it. */
export const passTokens = 512;

/**
 * Reads `added[n]` as the continuation of sequence n; an empty one has nothing new. `use` gets the hidden states,
 * [T, D], with the first row of each sequence, and may keep nothing of them.
 */
export function forward<Result>(
  { model, memory }: Loaded,
  cache: Cache,
  added: readonly Int32Array[],
  use: (hidden: Tensor, documents: Int32Array) => Result,
): Result {
  const documents = new Int32Array(added.length + 1);
  for (const [n, ids] of added.entries()) documents[n + 1] = documents[n] + ids.length;
  const T = documents[added.length];
  const ids = new Int32Array(T);
  const positions = new Int32Array(T);
  for (const [n, some] of added.entries()) {
    ids.set(some, documents[n]);
    for (let i = 0; i < some.length; i++) positions[documents[n] + i] = cache.lengths[n] + i;
  }
  cache.reserve(Math.max(...added.map((some, n) => cache.lengths[n] + some.length)));
  return within({ memory, tape: null, randomness: null }, () =>
    memory.scope(() => {
      const context = { positions, documents, cache, checkpointing: false };
      const hidden = model.decoder({ ids }, context);
      cache.advance(documents);
      return use(hidden, documents);
    }),
  );
}

/** Cuts what is to be read of each sequence into passes, in order. */
export function* passes(
  rest: readonly Int32Array[],
  most = passTokens,
): Generator<readonly Int32Array[]> {
  const at = rest.map(() => 0);
  for (;;) {
    let room = most;
    const added = rest.map((ids, n) => {
      const piece = ids.subarray(at[n], at[n] + room);
      at[n] += piece.length;
      room -= piece.length;
      return piece;
    });
    if (room === most) return;
    yield added;
  }
}

/** hidden: [n, D] → logits: [n, V], f32 whatever the weights are. */
export function logitsOf({ model, memory }: Loaded, hidden: Tensor): Tensor {
  const { weight, bias } = model.head;
  const [V, D] = weight.shape;
  const n = hidden.rows;
  const logits = memory.workspace.tensor([n, V], 'f32');
  const offset = bias?.tensor.data ?? null;
  gemm.run(hidden.data, weight.tensor.data, logits.data, n, V, D, false, true, 1, 0, offset);
  return logits;
}
