/**
 * @file Several data sets as one: the rows that Hugging Face's `interleave_datasets` takes, in its order
 * (`first_exhausted`, `all_exhausted`, `all_exhausted_without_replacement`).
 */
import { numpyRandom } from './pcg64.ts';
import type { DataSettings } from './settings.ts';

export type MixStrategy = DataSettings['mix_strategy'];

/** Which data set each row comes from. The draws go on for ever. */
export function* drawSources(
  count: number,
  probabilities: readonly number[] | null,
  seed: number,
): Generator<number, never, undefined> {
  if (!probabilities) for (let turn = 0; ; turn++) yield turn % count;
  const random = numpyRandom(seed);
  // As `Generator.choice`: the sums, then the place of a share among them.
  let sum = 0;
  const sums = probabilities.map((share) => (sum += share));
  for (;;) {
    const share = random.double();
    const index = sums.findIndex((each) => share < each / sum);
    yield index < 0 ? count - 1 : index;
  }
}

/** Calls back with the data set and the row of each row of the mixture, in order. */
export function mixRows(
  lengths: readonly number[],
  strategy: MixStrategy,
  probabilities: readonly number[] | null,
  seed: number,
  take: (source: number, row: number) => void,
): void {
  if (strategy === 'concat') {
    for (const [source, length] of lengths.entries()) {
      for (let row = 0; row < length; row++) take(source, row);
    }
    return;
  }
  if (lengths.length === 1 || lengths.includes(0)) {
    mixRows(lengths, 'concat', null, seed, take);
    return;
  }
  const next = lengths.map(() => 0);
  const whole = lengths.map(() => false);
  const done = (): boolean =>
    strategy === 'interleave_under' ? whole.includes(true) : !whole.includes(false);
  let drawn = 0;
  for (const source of drawSources(lengths.length, probabilities, seed)) {
    // In turn, a round that began is gone through, but for what was read once.
    const inRound = !probabilities && drawn++ % lengths.length > 0;
    if (done() && !(inRound && strategy !== 'interleave_once')) return;
    if (whole[source] && strategy === 'interleave_once') continue;
    take(source, next[source]++ % lengths[source]);
    if (next[source] >= lengths[source]) whole[source] = true;
  }
}
