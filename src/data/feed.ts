/** @file The rows of each half of the data, in the order in which they are encoded. */
import { join } from 'node:path';
import { temporaryName } from '../files/atomic.ts';
import { badSplit } from './errors.ts';
import { createRowFilter, type LeftOut } from './filter-rows.ts';
import { isReordered, isSampled, orderRows, splitRows } from './order-rows.ts';
import { parsedRow, type RawRow } from './raw-row.ts';
import { createRowSpool, type RowSpool } from './row-spool.ts';
import type { DataSettings } from './settings.ts';
import { sourceRows } from './source-rows.ts';
import type { Source } from './sources.ts';
import { streamRows } from './stream-rows.ts';

export type Halves = {
  readonly train: () => Iterable<RawRow>;
  /** The rows that `val_size` holds back; none where it does not apply. */
  readonly eval: () => Iterable<RawRow>;
  /** Rows that settings left out so far, by the setting. */
  readonly leftOut: LeftOut;
};

export type FeedInput = {
  readonly sources: readonly Source[];
  readonly data: DataSettings;
  /** Whether `val_size` applies to them. */
  readonly splits: boolean;
  /** With `streaming`, how many rows are to be learned; undefined where the rows are for evaluation. */
  readonly streamed: number | undefined;
  /** A folder for what lies on the disk meanwhile. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Calls back with the rows. Where their order is that of the files they are read as they are asked for; else all
 * are put on the disk first, beside the cache, and taken from there.
 */
export async function withRows(
  input: FeedInput,
  use: (halves: Halves) => Promise<void>,
): Promise<void> {
  const { sources, data, splits, streamed, folder } = input;
  const leftOut: LeftOut = new Map();
  const kept = readers(sources, data, leftOut);
  if (streamed !== undefined) {
    const held = splits ? Math.round(data.val_size) : 0;
    // They stay in the buffer for long.
    const parsed = kept.map((read) => () => read().map(parsedRow));
    const stream = (skip: number, count: number): Iterable<RawRow> => {
      // Each half reads from the start.
      leftOut.clear();
      return taken(streamRows(parsed, data), skip, count);
    };
    return use({
      // The buffer is drawn from in the same order each time, so the halves are apart.
      train: () => stream(held, streamed),
      eval: () => stream(0, held),
      leftOut,
    });
  }
  if (!splits && !isReordered(sources, data)) {
    return use({ train: () => inOrder(kept, data.max_samples), eval: () => [], leftOut });
  }
  const spool = createRowSpool(join(folder, temporaryName('rows', 'new')));
  try {
    const counts = await spoolAll(spool, kept, input);
    const order = orderRows(sources, counts, data);
    const halves = splits
      ? splitRows(order, heldBack(data.val_size, order.length), data.data_seed)
      : { train: order, eval: new Uint32Array(0) };
    const rows = function* (indices: Uint32Array): Generator<RawRow> {
      for (const index of indices) yield spool.read(index);
    };
    await use({ train: () => rows(halves.train), eval: () => rows(halves.eval), leftOut });
  } finally {
    spool.close();
  }
}

type Reader = () => Generator<RawRow, void, undefined>;

/** Each data set's rows, without those that a filter leaves out. */
function readers(sources: readonly Source[], data: DataSettings, leftOut: LeftOut): Reader[] {
  const keeps = createRowFilter(data, sources, leftOut);
  return sources.map((_, i) => {
    if (!keeps) return () => sourceRows(sources, i);
    return function* () {
      for (const row of sourceRows(sources, i)) if (keeps(row)) yield row;
    };
  });
}

function* taken(rows: Iterable<RawRow>, skip: number, count: number): Generator<RawRow> {
  let index = 0;
  if (count === 0) return;
  for (const row of rows) {
    if (index++ < skip) continue;
    yield row;
    if (index === skip + count) return;
  }
}

function* inOrder(reads: readonly Reader[], most: number | null): Generator<RawRow> {
  for (const read of reads) yield* most === null ? read() : taken(read(), 0, most);
}

/** How many rows each data set has on the disk then. */
async function spoolAll(
  spool: RowSpool,
  reads: readonly Reader[],
  { sources, data, signal }: FeedInput,
): Promise<number[]> {
  const counts = reads.map(() => 0);
  for (const [i, read] of reads.entries()) {
    // What is beyond `max_samples` is not even read, unless rows are drawn from all of them.
    const most = isSampled(sources[i]) ? null : data.max_samples;
    for (const row of most === null ? read() : taken(read(), 0, most)) {
      spool.append(row);
      if (++counts[i] % 5000 > 0) continue;
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    }
  }
  return counts;
}

/** How many rows `val_size` holds back: a share, rounded up, or a count. */
function heldBack(size: number, rows: number): number {
  const wanted = size < 1 ? Math.ceil(size * rows) : Math.round(size);
  if (wanted >= rows) throw badSplit(wanted, rows);
  return wanted;
}
