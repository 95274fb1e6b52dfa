/** @file What a forward pass knows beside its ids: where documents begin, where each token stands, what came before. */
import type { KeyRanges } from '../ops/attention.ts';
import type { Dtype } from '../tensor.ts';
import type { PassCache } from './cache.ts';

export type Context = {
  /** Position of each token in its document, [T]. */
  readonly positions: Int32Array;
  /** First row of each document, and the end: [N + 1]. */
  readonly documents: Int32Array;
  /** The rows that each document reads, where they are not its own alone: replies that share their prompt. */
  readonly keys?: KeyRanges;
  readonly cache: PassCache | null;
  /** Rows that the last layer must yield, ascending, each once; unset or null is all. */
  readonly rows?: Int32Array | null;
  /** Storage of the hidden states; unset is the embedding's. */
  readonly dtype?: Dtype | undefined;
  /** Recompute each block on the way back instead of keeping what it made. */
  readonly checkpointing: boolean;
};

/** The context of documents laid end to end, with nothing before them. */
export function documentsContext(
  lengths: readonly number[],
  { checkpointing = false } = {},
): Context {
  const documents = new Int32Array(lengths.length + 1);
  const positions = new Int32Array(lengths.reduce((a, b) => a + b, 0));
  for (const [n, length] of lengths.entries()) {
    const start = documents[n];
    documents[n + 1] = start + length;
    for (let i = 0; i < length; i++) positions[start + i] = i;
  }
  return { positions, documents, cache: null, checkpointing };
}
