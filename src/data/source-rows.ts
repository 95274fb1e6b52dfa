/** @file The rows of a data set in the order of its files, and what can be wrong with all of them together. */
import { didYouMean } from '../core/suggest.ts';
import { readRows } from '../files/rows.ts';
import { emptyDataset, neverSeen } from './errors.ts';
import { type RawRow, rawRow } from './raw-row.ts';
import type { Source } from './sources.ts';

/** All rows of `sources[index]`, or its first `limit`. Faults of a row's JSON mostly show when its value is asked for. */
export function* sourceRows(
  sources: readonly Source[],
  index: number,
  limit = Number.POSITIVE_INFINITY,
): Generator<RawRow, void, undefined> {
  const { name, files, described, reading } = sources[index];
  const columns = described ? Object.values(reading.columns) : [];
  const unseen = new Set(columns.filter((column) => column !== null));
  const file = files[0] ?? name;
  let keys: readonly string[] | undefined;
  let count = 0;
  for (const path of files) {
    for (const row of readRows(path, { lazy: true })) {
      if (count++ >= limit) return;
      keys ??= Object.keys(row.value);
      for (const column of unseen) if (Object.hasOwn(row.value, column)) unseen.delete(column);
      yield rawRow(index, row);
    }
  }
  if (keys === undefined) throw emptyDataset(file, `data set \`${name}\` is empty`);
  for (const column of unseen)
    throw neverSeen({ file }, column, file, keys, didYouMean(column, keys));
}
