/**
 * @file The cache folder of Hugging Face's hub, read as `huggingface_hub` lays it out
 * (`models--org--name/{refs,snapshots}`), and our own. Nothing is downloaded.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { environment } from '../native/environment.ts';

const fromHome = (path: string): string =>
  path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : resolve(path);

const userCache = (): string => environment('XDG_CACHE_HOME') ?? join(homedir(), '.cache');

/** `HF_HUB_CACHE`, else `HF_HOME/hub`, else `XDG_CACHE_HOME/huggingface/hub`, else under `~/.cache`. */
export function hubCacheFolder(): string {
  const direct = environment('HF_HUB_CACHE') ?? environment('HUGGINGFACE_HUB_CACHE');
  if (direct !== undefined) return fromHome(direct);
  const home = environment('HF_HOME');
  return join(fromHome(home ?? join(userCache(), 'huggingface')), 'hub');
}

/** Where our own downloads and Prepared sets are kept: `TUNERY_CACHE`, else `tunery` in the user's cache. */
export function tuneryCache(): string {
  const direct = environment('TUNERY_CACHE');
  return direct === undefined ? join(fromHome(userCache()), 'tunery') : fromHome(direct);
}

const hubId = /^(?!.*(?:\.\.|--))[\w.-]{1,96}(?:\/[\w.-]{1,96})?$/;

/** Whether a name could be a repository's: `org/name`, or the bare `name` of old ones. */
export const isHubId = (name: string): boolean => hubId.test(name) && !/^[.-]|[.-]$/.test(name);

export type Snapshot = { readonly folder: string; readonly commit: string };

const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

function readRef(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** The folder of a model's files at a branch, tag or commit; undefined where the cache does not have it. */
export function findSnapshot(
  repository: string,
  revision = 'main',
  cache: string = hubCacheFolder(),
): Snapshot | undefined {
  if (!isHubId(repository) || /(^|\/)\.\.?(\/|$)|^\//.test(revision)) return undefined;
  const root = join(cache, `models--${repository.replaceAll('/', '--')}`);
  const commit = readRef(join(root, 'refs', revision)) ?? revision;
  if (!/^[\w.-]+$/.test(commit)) return undefined;
  const folder = join(root, 'snapshots', commit);
  return isFolder(folder) ? { folder, commit } : undefined;
}

/** Ids of the models that the cache holds. */
export function listHubModels(cache: string = hubCacheFolder()): readonly string[] {
  let entries: string[];
  try {
    entries = readdirSync(cache);
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.startsWith('models--') && isFolder(join(cache, entry, 'snapshots')))
    .map((entry) => entry.slice('models--'.length).replace('--', '/'))
    .sort();
}
