/** @file Which rows of the data sets make the whole, in which order: sampled, limited, repeated and mixed as the settings say. */
import { numpyRandom } from './pcg64.ts';
import { sampleRows } from './permutation.ts';
import type { DataSettings } from './settings.ts';
import type { Source } from './sources.ts';

export type MixSettings = Pick<DataSettings, 'data_seed' | 'max_samples'>;

/** Whether rows are taken in another order than that of the files, so that they must be counted first. */
export function isReordered(sources: readonly Source[], _data: MixSettings): boolean {
  return sources.some(({ numSamples }) => numSamples !== undefined);
}

/** Indices in the data sets laid end to end, which have `counts` rows each. */
export function orderRows(
  sources: readonly Source[],
  counts: readonly number[],
  { data_seed: seed, max_samples: most }: MixSettings,
): Uint32Array {
  let first = 0;
  const parts = sources.map(({ numSamples }, i) => {
    const chosen =
      numSamples === undefined
        ? Array.from({ length: counts[i] }, (_, row) => row)
        : sampleRows(counts[i], numSamples, seed);
    const part = Uint32Array.from(chosen.slice(0, most ?? undefined), (row) => first + row);
    first += counts[i];
    return part;
  });
  return concatRows(parts);
}

function concatRows(parts: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
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
