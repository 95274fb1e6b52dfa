/** @file The data sets that are known by name. A user's own dataset_info.json comes before them. */
import { checkEntry, type DatasetEntry } from '../dataset-info.ts';
import { isBenchmark, notReadable } from '../errors.ts';
import { conversations } from './conversations.ts';
import type { KnownDatasets } from './entry.ts';
import { instructions } from './instructions.ts';
import { media } from './media.ts';
import { benchmarks, otherNames, unread } from './other-names.ts';
import { preferences } from './preferences.ts';
import { texts } from './texts.ts';

export const knownDatasets: KnownDatasets = {
  ...conversations,
  ...instructions,
  ...media,
  ...otherNames,
  ...preferences,
  ...texts,
};

/** All names, for did-you-mean and lists. */
export const knownNames: readonly string[] = Object.keys(knownDatasets).sort();

const place = (path: readonly string[]) => ({ file: 'known data sets', key: path.join('.') });

/** The entry of a name; undefined where it is not known. Throws where it is known to be of no use. */
export function knownDataset(name: string): DatasetEntry | undefined {
  if (benchmarks.includes(name)) throw isBenchmark(name);
  if (Object.hasOwn(unread, name)) throw notReadable(name, unread[name]!);
  if (!Object.hasOwn(knownDatasets, name)) return undefined;
  return checkEntry(name, knownDatasets[name]!, place, () => {});
}
