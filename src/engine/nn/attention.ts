/** @file Attention of a pass's segments to their own keys, to a prompt that they share, and to what a cache holds. */
import { attention as attentionOp, type KeyRanges } from '../ops/attention.ts';
import type { Tensor } from '../tensor.ts';
import { asked, type BlockContext } from './blocks.ts';
import { rope } from './rope.ts';

type Options = {
  /** ALiBi's slope a head; absent where positions are rotary. */
  readonly slopes?: Float32Array | undefined;
};

/** q: [n, H, E] of the asked rows, k and v: [T, K, E] → [n, H, E], rotated by the context's angles, scaled by 1/√E */
export function attention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  context: BlockContext,
  { slopes }: Options = {},
): Tensor {
  const { documents, cache, rows, layer, table } = context;
  if (table) {
    q = rope(q, { cos: asked(table.cos, context), sin: asked(table.sin, context) });
    k = rope(k, table);
  }
  const stored = cache?.layer(layer).append(k, v);
  const { keys, values } = stored ?? { keys: k, values: v };
  const all = stored?.ranges ?? context.keys ?? ownKeys(documents);
  const segments = rows ? askedSegments(documents, all, rows) : { starts: documents, keys: all };
  return attentionOp([q, keys, values], {
    queryStarts: segments.starts,
    keys: segments.keys,
    scale: 1 / Math.sqrt(q.width),
    slopes: slopes ?? null,
  });
}

/** Each document reads its own rows, and nothing else. */
function ownKeys(documents: Int32Array): KeyRanges {
  const count = documents.length - 1;
  const ranges = new Int32Array(2 * count);
  for (let n = 0; n < count; n++) {
    ranges[2 * n] = documents[n];
    ranges[2 * n + 1] = documents[n + 1] - documents[n];
  }
  return { ranges, starts: Int32Array.from({ length: count + 1 }, (_, n) => n) };
}

/**
 * A segment for each run of asked rows that stand side by side. Its last query stands at its own key: what the whole
 * segment reads after it is left out.
 */
function askedSegments(
  documents: Int32Array,
  { ranges, starts }: KeyRanges,
  rows: Int32Array,
): { readonly starts: Int32Array; readonly keys: KeyRanges } {
  const queryStarts = [0];
  const runRanges: number[] = [];
  const runStarts = [0];
  let n = 0;
  for (let from = 0; from < rows.length; ) {
    while (documents[n + 1] <= rows[from]) n++;
    let to = from + 1;
    while (to < rows.length && rows[to] === rows[to - 1] + 1 && rows[to] < documents[n + 1]) to++;
    let length = rows[to - 1] + 1 - documents[n + 1];
    for (let r = starts[n]; r < starts[n + 1]; r++) length += ranges[2 * r + 1];
    for (let r = starts[n]; r < starts[n + 1] && length > 0; r++) {
      const taken = Math.min(length, ranges[2 * r + 1]);
      runRanges.push(ranges[2 * r], taken);
      length -= taken;
    }
    queryStarts.push(to);
    runStarts.push(runRanges.length / 2);
    from = to;
  }
  return {
    starts: Int32Array.from(queryStarts),
    keys: { ranges: Int32Array.from(runRanges), starts: Int32Array.from(runStarts) },
  };
}

/** ALiBi's slopes as its authors' code has them, for any number of heads. */
export function alibiSlopes(heads: number): Float32Array {
  const power = 2 ** Math.floor(Math.log2(heads));
  const base = 2 ** -(2 ** -(Math.log2(power) - 3));
  const extra = 2 ** -(2 ** -(Math.log2(2 * power) - 3));
  return Float32Array.from({ length: heads }, (_, h) =>
    h < power ? base ** (h + 1) : extra ** (2 * (h - power) + 1),
  );
}
