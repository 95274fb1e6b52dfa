/** @file The files of a data set that lies on a hub, from the cache or fetched into it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Place, TuneryError } from '../core/errors.ts';
import { type Hub, type HubFile, openHub } from '../files/hub.ts';
import { prefersModelScope } from '../files/hub-access.ts';
import type { Repository } from '../files/hub-cache.ts';
import { hubFileNotFound, hubNotFound, revisionNotFound } from '../files/hub-errors.ts';
import { type FetchOptions, fetchSnapshot } from '../files/hub-fetch.ts';
import type { HubPlace } from './dataset-info.ts';
import { hubNotServed, noDataFiles, noSuchSplit, noSuchSubset } from './errors.ts';
import { chooseFiles, type Wanted } from './hub-files.ts';

/** How hubs are asked for data; all of it may be left out. */
export type DataHub = Pick<
  FetchOptions,
  'announce' | 'progress' | 'note' | 'signal' | 'patience'
> & {
  readonly hfToken?: string | null;
  readonly msToken?: string | null;
  /** Folder of Hugging Face's cache, where it is not at its usual place. */
  readonly cache?: string | null;
};

const dataset = (id: string): Repository => ({ kind: 'dataset', id });

/** The hub that an entry means, as LLaMA-Factory chooses it, and the id there. Throws `data/hub-not-served`. */
export function hubOf(
  place: HubPlace,
  { hfToken = null, msToken = null, cache = null }: DataHub,
  where: Place,
): { hub: Hub; id: string } {
  const { huggingface, modelscope, openmind = '' } = place;
  if (modelscope !== undefined && (huggingface === undefined || prefersModelScope()))
    return { hub: openHub({ name: 'modelscope', token: msToken }), id: modelscope };
  if (huggingface === undefined) throw hubNotServed(where, 'om_hub_url', openmind);
  return { hub: openHub({ token: hfToken, cache }), id: huggingface };
}

/** A data set that is named by nothing but its id. */
export const placeOfId = (id: string): HubPlace => ({
  huggingface: prefersModelScope() ? undefined : id,
  modelscope: prefersModelScope() ? id : undefined,
  openmind: undefined,
  subset: undefined,
  split: 'train',
  folder: undefined,
});

/** Paths of the files that hold the rows, in their order. */
export async function fetchDataset(
  hub: Hub,
  id: string,
  wanted: Wanted,
  { announce, progress, note, signal, patience }: DataHub,
): Promise<string[]> {
  const asking = { signal, patience, ...(note && { note }) };
  const found = await fetchSnapshot(hub, dataset(id), {
    ...asking,
    choose: (files) => pathsOf(files).filter((path) => path === 'README.md'),
  });
  const [readmePath] = found.files;
  const readme =
    readmePath === undefined ? undefined : readFileSync(join(found.folder, readmePath), 'utf8');
  const shown = { ...(announce && { announce }), ...(progress && { progress }) };
  let rows: readonly string[];
  try {
    rows = chooseFiles(id, pathsOf(found.listing.files), readme, wanted);
  } catch (error) {
    const canConvert = hub.name === 'huggingface' && wanted.folder === undefined;
    if (!canConvert || !isNoFiles(error)) throw error;
    return fetchConverted(hub, id, wanted, { ...asking, ...shown }, error);
  }
  const { folder } = await fetchSnapshot(hub, dataset(id), {
    ...asking,
    ...shown,
    listing: found.listing,
    choose: () => rows,
  });
  return rows.map((path) => join(folder, path));
}

const pathsOf = (files: readonly HubFile[]): string[] => files.map(({ path }) => path);

const isNoFiles = (error: unknown): error is TuneryError =>
  error instanceof TuneryError && error.code === noDataFiles.code;

const convertedRevision = 'refs/convert/parquet';

/** Rows that the hub itself made of a data set of another form, or of a script: `subset/split/0000.parquet`. */
async function fetchConverted(
  hub: Hub,
  id: string,
  { subset, split }: Wanted,
  options: Omit<FetchOptions, 'choose' | 'revision'>,
  otherwise: TuneryError,
): Promise<string[]> {
  const choose = (files: readonly HubFile[]): string[] => {
    const paths = pathsOf(files).filter((path) => /^[^/]+\/[^/]+\/[^/]+\.parquet$/.test(path));
    const names = [...new Set(paths.map((path) => path.split('/')[0]!))];
    const name = subset ?? (names.length === 1 ? names[0] : 'default');
    if (name === undefined || !names.includes(name)) throw noSuchSubset(id, subset, names, '');
    const inside = paths.filter((path) => path.startsWith(`${name}/`));
    // `partial-train` holds the first rows of a data set that is large.
    const folders = [...new Set(inside.map((path) => path.split('/')[1]!))];
    const folder = [split, `partial-${split}`].find((each) => folders.includes(each));
    if (folder === undefined) throw noSuchSplit(id, split, folders, '');
    if (folder !== split)
      options.note?.(`the hub converted only the first rows of ${id}, and those are taken`);
    return inside.filter((path) => path.split('/')[1] === folder).sort();
  };
  try {
    const fetched = await fetchSnapshot(hub, dataset(id), {
      ...options,
      revision: convertedRevision,
      choose,
    });
    return fetched.files.map((path) => join(fetched.folder, path));
  } catch (error) {
    const codes: readonly string[] = [revisionNotFound.code, hubNotFound.code];
    const isNone = error instanceof TuneryError && codes.includes(error.code);
    throw isNone ? otherwise : error;
  }
}

/** One file of a repository, or all of a folder, by its path there. */
export async function fetchPaths(
  hub: Hub,
  id: string,
  path: string,
  { announce, progress, note, signal, patience }: DataHub,
): Promise<string> {
  const clean = path.replace(/\/+$/, '');
  const { folder } = await fetchSnapshot(hub, dataset(id), {
    ...{ signal, patience },
    ...(note && { note }),
    ...(announce && { announce }),
    ...(progress && { progress }),
    choose: (files) => {
      const paths = pathsOf(files);
      const found = paths.filter((each) => each === clean || each.startsWith(`${clean}/`));
      if (found.length === 0) throw hubFileNotFound(dataset(id), path, '');
      return found;
    },
  });
  return join(folder, clean);
}
