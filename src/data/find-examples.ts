/** @file The examples that documents of a Prepared set were made of, read again from their files. */
import type { Place } from '../core/errors.ts';
import { readRows } from '../files/rows.ts';
import type { Example } from './example.ts';
import { formatOf, type Source } from './sources.ts';

/** Several where two data sets read one file in different ways. */
export type FoundExamples = (place: Place) => readonly Example[];

/** Each file is read once, up to the last row that is wanted. */
export function findExamples(places: Iterable<Place>, sources: readonly Source[]): FoundExamples {
  const wanted = new Map<string, Set<number>>();
  for (const { file, row } of places) {
    if (row === undefined) continue;
    const rows = wanted.get(file) ?? new Set();
    wanted.set(file, rows.add(row));
  }
  const found = new Map<string, Example[]>();
  for (const [file, rows] of wanted) {
    const readers = sources.filter(({ files }) => files.includes(file));
    const last = Math.max(...rows);
    for (const { value, place } of readRows(file)) {
      const { row = 0 } = place;
      if (rows.has(row)) {
        const examples = readers.map((source) =>
          formatOf(source).read(value, source.reading, place),
        );
        found.set(keyOf(place), examples);
      }
      if (row >= last) break;
    }
  }
  return (place) => found.get(keyOf(place)) ?? [];
}

const keyOf = ({ file, row }: Place): string => `${row}\n${file}`;
