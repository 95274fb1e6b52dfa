/** @file Which rows of the data sets make the whole, in which order: sampled, limited, repeated and mixed as the settings say. */
import { mixRows } from './mix.ts';
import { numpyRandom } from './pcg64.ts';
import { permutation, sampleRows } from './permutation.ts';
import type { DataSettings } from './settings.ts';
import type { Source } from './sources.ts';

export type MixSettings = Pick<
  DataSettings,
  'data_seed' | 'max_samples' | 'mix_strategy' | 'interleave_probs' | 'dataset_weights'
>;

/** Whether rows are taken in another order than that of the files, so that they must be counted first. */
export function isReordered(sources: readonly Source[], data: MixSettings): boolean {
  const mixed = sources.length > 1 && data.mix_strategy !== 'concat';
  return mixed || data.dataset_weights !== null || sources.some(isSampled);
}

export const isSampled = ({ numSamples }: Source): boolean => numSamples !== undefined;

/** Indices in the data sets laid end to end, which have `counts` rows each. */
export function orderRows(
  sources: readonly Source[],
  counts: readonly number[],
  data: MixSettings,
): Uint32Array {
  const { data_seed: seed, mix_strategy: strategy, interleave_probs: shares } = data;
  let first = 0;
  const parts = sources.map((source, i) => {
    const part = chosenRows(source, i, counts[i], data).map((row) => first + row);
    first += counts[i];
    return part;
  });
  const order: number[] = [];
  const lengths = parts.map(({ length }) => length);
  mixRows(lengths, strategy, shares, seed, (source, row) => order.push(parts[source][row]));
  return Uint32Array.from(order);
}

/** Rows of one data set: `num_samples` at random, of those the first `max_samples`, taken as often as it weighs. */
function chosenRows(
  { numSamples }: Source,
  index: number,
  count: number,
  { data_seed: seed, max_samples: most, dataset_weights: weights }: MixSettings,
): Uint32Array {
  const sampled =
    numSamples === undefined
      ? Uint32Array.from({ length: count }, (_, row) => row)
      : Uint32Array.from(sampleRows(count, numSamples, seed));
  const rows = sampled.subarray(0, most ?? undefined);
  const weight = weights?.[index] ?? 1;
  if (weight === 1) return rows;
  const times = Math.floor(weight);
  const rest = Math.round((weight - times) * rows.length);
  // The rows of the last, partial time, in their order.
  const some = permutation(rows.length, seed, 'samples', 2 + index)
    .subarray(0, rest)
    .sort();
  const all = new Uint32Array(times * rows.length + rest);
  for (let time = 0; time < times; time++) all.set(rows, time * rows.length);
  for (const [i, row] of some.entries()) all[times * rows.length + i] = rows[row];
  return all;
}

/** The rows that `val_size` holds back, and the others, as Hugging Face's `train_test_split` deals them. */
export function splitRows(
  order: Uint32Array,
  wanted: number,
  seed: number,
): { readonly train: Uint32Array; readonly eval: Uint32Array } {
  const dealt = numpyRandom(seed)
    .permutation(order.length)
    .map((i) => order[i]);
  return { train: dealt.subarray(wanted), eval: dealt.subarray(0, wanted) };
}
