/**
 * @file Rows as they come, drawn through a bounded buffer: for `streaming`. Order and draws are those of Hugging Face's
 * `IterableDataset.shuffle`; when the rows are at their end they begin again, in another order.
 */
import { drawSources } from './mix.ts';
import { numpyRandom } from './pcg64.ts';
import type { RawRow } from './raw-row.ts';
import type { DataSettings } from './settings.ts';

export type StreamSettings = Pick<
  DataSettings,
  'data_seed' | 'buffer_size' | 'mix_strategy' | 'interleave_probs'
>;

/** Reads a data set from its first row on. */
type Read = () => Iterator<RawRow, unknown, undefined>;

/** Rows without end. A data set that has none ends them. */
export function* streamRows(
  reads: readonly Read[],
  { data_seed: seed, buffer_size: size, mix_strategy, interleave_probs }: StreamSettings,
): Generator<RawRow, void, undefined> {
  for (let epoch = 0; ; epoch++) {
    const epochSeed = seedOf(seed, epoch);
    const rows =
      mix_strategy === 'concat' || reads.length === 1
        ? joined(reads)
        : interleaved(reads, mix_strategy, interleave_probs, seed);
    let empty = true;
    for (const row of buffered(rows, size, epochSeed)) {
      empty = false;
      yield row;
    }
    if (empty) return;
  }
}

/** The first epoch has the seed itself; each other one a seed that is drawn from it. */
function seedOf(seed: number, epoch: number): bigint {
  if (epoch === 0) return BigInt(seed);
  const drawn = numpyRandom(seed).below2to63() - BigInt(epoch);
  return drawn < 0n ? drawn + (1n << 63n) : drawn;
}

function* joined(reads: readonly Read[]): Generator<RawRow> {
  for (const read of reads) yield* { [Symbol.iterator]: read };
}

/** In turn, or by shares; a row ahead is read of each, for its end decides when the whole ends. */
function* interleaved(
  reads: readonly Read[],
  strategy: DataSettings['mix_strategy'],
  shares: readonly number[] | null,
  seed: number,
): Generator<RawRow> {
  const heads = reads.map((read) => {
    const rows = read();
    return { read, rows, next: rows.next(), whole: false };
  });
  try {
    if (heads.some(({ next }) => next.done)) return;
    for (const source of drawSources(reads.length, shares, seed)) {
      const head = heads[source];
      if (head.next.done) continue;
      yield head.next.value;
      head.next = head.rows.next();
      if (!head.next.done) continue;
      head.whole = true;
      if (strategy === 'interleave_under' || heads.every(({ whole }) => whole)) return;
      if (strategy === 'interleave_once') continue;
      head.rows = head.read();
      head.next = head.rows.next();
    }
  } finally {
    for (const { rows } of heads) rows.return?.();
  }
}

function* buffered(rows: Iterable<RawRow>, size: number, seed: bigint): Generator<RawRow> {
  const random = numpyRandom(seed);
  const buffer: RawRow[] = [];
  // A thousand draws at a time, of which the last ones may go unused: so the shuffle at the end follows from where they stop.
  let draws: number[] = [];
  for (const row of rows) {
    if (buffer.length < size) {
      buffer.push(row);
      continue;
    }
    if (draws.length === 0)
      draws = Array.from({ length: 1000 }, () => random.upTo(size - 1)).reverse();
    const index = draws.pop() ?? 0;
    yield buffer[index];
    buffer[index] = row;
  }
  random.shuffle(buffer);
  yield* buffer;
}
