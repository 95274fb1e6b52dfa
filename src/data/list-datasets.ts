/** @file The data sets that a name can mean: those of a folder's dataset_info.json, and those that are known. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TuneryError } from '../core/errors.ts';
import { filesOfSnapshot, findSnapshot } from '../files/hub-cache.ts';
import { type DatasetEntry, readDatasetInfo } from './dataset-info.ts';
import { type DataHub, hubOf } from './hub-datasets.ts';
import { knownDataset, knownNames } from './known-datasets/index.ts';
import type { Warning } from './warning.ts';

export type ListedDataset = {
  readonly name: string;
  /** The dataset_info.json that names it; null for one that is known without. */
  readonly named_in: string | null;
  readonly formatting: string;
  /** A path, or an id on `hub`. */
  readonly source: string;
  readonly hub: string | null;
  readonly state: 'here' | 'missing' | 'cached' | 'not fetched' | 'not served';
  /** Of what lies here; null where nothing does. */
  readonly bytes: number | null;
};

/** In the order of dataset_info.json, then the known ones by name. */
export function listDatasets(
  folder: string,
  warn: (warning: Warning) => void,
  hub: DataHub = {},
): ListedDataset[] {
  const info = readDatasetInfo(folder, warn);
  const own = (info?.names ?? []).flatMap((name) => {
    const entry = entryOf(() => info?.entry(name), warn);
    return entry ? [listed(entry, folder, info?.path ?? null, hub)] : [];
  });
  const taken = new Set(info?.names);
  const known = knownNames.filter((name) => !taken.has(name)).map((name) => knownDataset(name)!);
  return [...own, ...known.map((entry) => listed(entry, undefined, null, hub))];
}

/** A faulty entry hides none of the others. */
function entryOf(
  read: () => DatasetEntry | undefined,
  warn: (warning: Warning) => void,
): DatasetEntry | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TuneryError)) throw error;
    const { code, message, place, help = '' } = error;
    warn({ code, message, place, help });
    return undefined;
  }
}

function listed(
  { name, formatting, fileName, hub: at, place }: DatasetEntry,
  folder: string | undefined,
  infoPath: string | null,
  options: DataHub,
): ListedDataset {
  const base = { name, named_in: infoPath, formatting };
  if (fileName !== undefined && folder !== undefined) {
    const path = join(folder, fileName);
    const bytes = sizeOf(path);
    if (bytes !== null || !at)
      return {
        ...base,
        source: path,
        hub: null,
        state: bytes === null ? 'missing' : 'here',
        bytes,
      };
  }
  const { openmind } = at ?? {};
  if (!at || (at.huggingface ?? at.modelscope) === undefined)
    return {
      ...base,
      source: openmind ?? fileName ?? '',
      hub: null,
      state: 'not served',
      bytes: null,
    };
  const { hub, id } = hubOf(at, options, place);
  const snapshot = findSnapshot({ kind: 'dataset', id }, hub.mainRevision, hub.cache);
  const files = snapshot
    ? filesOfSnapshot(snapshot).map((file) => join(snapshot.folder, file))
    : [];
  const bytes = files.reduce((sum, file) => sum + (sizeOf(file) ?? 0), 0);
  const found = { source: id, hub: hub.host };
  return files.length === 0
    ? { ...base, ...found, state: 'not fetched', bytes: null }
    : { ...base, ...found, state: 'cached', bytes };
}

/** Of a file, or of the files of a folder; null where there is neither. */
function sizeOf(path: string): number | null {
  const entry = statSync(path, { throwIfNoEntry: false });
  if (!entry?.isDirectory()) return entry?.size ?? null;
  return readdirSync(path).reduce((sum, file) => sum + (sizeOf(join(path, file)) ?? 0), 0);
}
