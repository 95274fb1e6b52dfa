/** @file Rows to encoded chunks, in order: by this thread, or by several that share the work. */
import type { ChunkEncoder, EncodedChunk } from './encode-chunk.ts';
import type { EncodePool } from './encode-pool.ts';
import { type RawRow, type RowText, toText } from './raw-row.ts';

/** Rows that are encoded together: where packs or pairs are made among them, exactly so many. */
export type Cut = { readonly rows: number; readonly exact: boolean };

/** Characters after which a chunk is sent that need not be of so many rows. */
const chunkCharacters = 1 << 20;

export function* encodeHere(
  rows: Iterable<RawRow>,
  encode: ChunkEncoder,
  cut: Cut,
): Generator<EncodedChunk> {
  const size = cut.exact ? cut.rows : Math.min(cut.rows, 128);
  let chunk: RawRow[] = [];
  for (const row of rows) {
    chunk.push(row);
    if (chunk.length < size) continue;
    yield encode(chunk);
    chunk = [];
  }
  if (chunk.length > 0) yield encode(chunk);
}

/** So many chunks are on their way at most that every thread has the next one waiting: memory is bounded by them. */
export async function* encodeInPool(
  rows: Iterable<RawRow>,
  pool: EncodePool,
  cut: Cut,
): AsyncGenerator<EncodedChunk> {
  const pending: Promise<EncodedChunk>[] = [];
  const send = (chunk: readonly RowText[]): void => {
    const result = pool.encode(chunk);
    // It is awaited in its turn, and may have failed long before.
    result.catch(() => undefined);
    pending.push(result);
  };
  let chunk: RowText[] = [];
  let characters = 0;
  for (const row of rows) {
    const text = toText(row);
    chunk.push(text);
    characters += text.text.length;
    const full = chunk.length >= cut.rows || (!cut.exact && characters >= chunkCharacters);
    if (!full) continue;
    send(chunk);
    chunk = [];
    characters = 0;
    if (pending.length >= 2 * pool.size) yield (await pending.shift())!;
  }
  if (chunk.length > 0) send(chunk);
  for (const result of pending) yield await result;
}
