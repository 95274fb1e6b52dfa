/** @file The rows of each half of the data, in the order in which they are encoded. */
import { join } from 'node:path';
import { badSplit } from './errors.ts';
import { isReordered, orderRows, splitRows } from './order-rows.ts';
import type { RawRow } from './raw-row.ts';
import { createRowSpool } from './row-spool.ts';
import type { DataSettings } from './settings.ts';
import { sourceRows } from './source-rows.ts';
import type { Source } from './sources.ts';

export type Halves = {
  readonly train: () => Iterable<RawRow>;
  /** The rows that `val_size` holds back; none where it does not apply. */
  readonly eval: () => Iterable<RawRow>;
};

/**
 * Calls back with the rows. Where their order is that of the files they are read as they are asked for; else all
 * are put on the disk first, beside the cache, and taken from there.
 */
export async function withRows(
  input: {
    readonly sources: readonly Source[];
    readonly data: DataSettings;
    /** Whether `val_size` applies to them. */
    readonly splits: boolean;
    /** A folder for what lies on the disk meanwhile. */
    readonly folder: string;
    readonly signal?: AbortSignal | undefined;
  },
  use: (halves: Halves) => Promise<void>,
): Promise<void> {
  const { sources, data, splits, folder, signal } = input;
  if (!splits && !isReordered(sources, data)) {
    return use({ train: () => inOrder(sources, data.max_samples), eval: () => [] });
  }
  const spool = createRowSpool(join(folder, 'rows.spool'));
  try {
    const counts = sources.map(() => 0);
    for (let i = 0; i < sources.length; i++) {
      // What is beyond `max_samples` is not even read, unless rows are drawn from all of them.
      const limit = sources[i].numSamples === undefined ? data.max_samples : null;
      for (const row of sourceRows(sources, i, limit ?? undefined)) {
        spool.append(row);
        if (++counts[i] % 5000 > 0) continue;
        await new Promise((resolve) => setImmediate(resolve));
        signal?.throwIfAborted();
      }
    }
    const order = orderRows(sources, counts, data);
    const halves = splits
      ? splitRows(order, heldBack(data.val_size, order.length), data.data_seed)
      : { train: order, eval: new Uint32Array(0) };
    const rows = function* (indices: Uint32Array): Generator<RawRow> {
      for (const index of indices) yield spool.read(index);
    };
    await use({ train: () => rows(halves.train), eval: () => rows(halves.eval) });
  } finally {
    spool.close();
  }
}

function* inOrder(sources: readonly Source[], most: number | null): Generator<RawRow> {
  for (let i = 0; i < sources.length; i++) yield* sourceRows(sources, i, most ?? undefined);
}

/** How many rows `val_size` holds back: a share, rounded up, or a count. */
function heldBack(size: number, rows: number): number {
  const wanted = size < 1 ? Math.ceil(size * rows) : Math.round(size);
  if (wanted >= rows) throw badSplit(wanted, rows);
  return wanted;
}
