/** @file Rows to encoded chunks, in order: by this thread, or by several that share the work. */
import type { ChunkEncoder, EncodedChunk } from './encode-chunk.ts';
import { chunkBytes, type EncodePool } from './encode-pool.ts';
import type { RawRow } from './raw-row.ts';

/** Rows that are encoded together: where packs or pairs are made among them, exactly so many. */
export type Cut = { readonly rows: number; readonly exact: boolean };

export function* encodeHere(
  rows: Iterable<RawRow>,
  encode: ChunkEncoder,
  cut: Cut,
): Generator<EncodedChunk> {
  const size = cut.exact ? cut.rows : Math.min(cut.rows, 128);
  let chunk: RawRow[] = [];
  const { each, fault } = untilFault(rows);
  for (const row of each) {
    chunk.push(row);
    if (chunk.length < size) continue;
    yield encode(chunk);
    chunk = [];
  }
  if (chunk.length > 0) yield encode(chunk);
  fault();
}

/** So many chunks are on their way at most that every thread has the next one waiting: memory is bounded by them. */
export async function* encodeInPool(
  rows: Iterable<RawRow>,
  pool: EncodePool,
  cut: Cut,
): AsyncGenerator<EncodedChunk> {
  const { packer } = pool;
  const pending: Promise<EncodedChunk>[] = [];
  const send = (): void => {
    const result = pool.encode();
    // It is awaited in its turn, and may have failed long before.
    result.catch(() => undefined);
    pending.push(result);
  };
  const { each, fault } = untilFault(rows);
  for (const row of each) {
    packer.add(row);
    const full = packer.rows >= cut.rows || (!cut.exact && packer.bytes >= chunkBytes);
    if (!full) continue;
    send();
    if (pending.length >= 2 * pool.size) yield (await pending.shift())!;
  }
  if (packer.rows > 0) send();
  for (const result of pending) yield await result;
  fault();
}

/**
 * The rows before one that cannot be read; `fault` then throws why. For what is wrong with a row before it is found
 * when that is encoded, and comes first.
 */
function untilFault(rows: Iterable<RawRow>): {
  readonly each: Iterable<RawRow>;
  readonly fault: () => void;
} {
  let found: { readonly error: unknown } | undefined;
  const each = function* (): Generator<RawRow> {
    try {
      yield* rows;
    } catch (error) {
      found = { error };
    }
  };
  return {
    each: each(),
    fault() {
      if (found) throw found.error;
    },
  };
}
