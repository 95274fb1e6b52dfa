/**
 * @file The cache folder of Hugging Face's hub, as `huggingface_hub` lays it out
 * (`models--org--name/{blobs,refs,snapshots}`), and our own. Nothing is fetched here.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { environment } from '../native/environment.ts';

export const fromHome = (path: string): string =>
  path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : resolve(path);

const userCache = (): string => environment('XDG_CACHE_HOME') ?? join(homedir(), '.cache');

/** `HF_HOME`, else `XDG_CACHE_HOME/huggingface`, else under `~/.cache`: the token and the hub's cache lie there. */
export const huggingFaceHome = (): string =>
  fromHome(environment('HF_HOME') ?? join(userCache(), 'huggingface'));

/** `HF_HUB_CACHE`, else `HF_HOME/hub`, else `XDG_CACHE_HOME/huggingface/hub`, else under `~/.cache`. */
export function hubCacheFolder(): string {
  const direct = environment('HF_HUB_CACHE') ?? environment('HUGGINGFACE_HUB_CACHE');
  if (direct !== undefined) return fromHome(direct);
  return join(huggingFaceHome(), 'hub');
}

/** Where our own downloads and Prepared sets are kept: `TUNERY_CACHE`, else `tunery` in the user's cache. */
export function tuneryCache(): string {
  const direct = environment('TUNERY_CACHE');
  return direct === undefined ? join(fromHome(userCache()), 'tunery') : fromHome(direct);
}

const hubId = /^(?!.*(?:\.\.|--))[\w.-]{1,96}(?:\/[\w.-]{1,96})?$/;

/** Whether a name could be a repository's: `org/name`, or the bare `name` of old ones. */
export const isHubId = (name: string): boolean => hubId.test(name) && !/^[.-]|[.-]$/.test(name);

/** What a repository holds: models and data sets of one name are two repositories. */
export type RepositoryKind = 'model' | 'dataset';
export type Repository = { readonly kind: RepositoryKind; readonly id: string };
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

/** A branch, tag, commit or `refs/pr/1`: never a way out of the folder. */
export const isRevision = (name: string): boolean => !/(^|\/)\.\.?(\/|$)|^\/|^$/.test(name);

/** `models--org--name` in the cache. */
export const repositoryFolder = ({ kind, id }: Repository, cache: string): string =>
  join(cache, `${kind}s--${id.replaceAll('/', '--')}`);

/** The folder of a repository's files at a revision; undefined where the cache does not have it. */
export function findSnapshot(
  repository: Repository,
  revision = 'main',
  cache: string = hubCacheFolder(),
): Snapshot | undefined {
  if (!isHubId(repository.id) || !isRevision(revision)) return undefined;
  const root = repositoryFolder(repository, cache);
  const commit = readRef(join(root, 'refs', revision)) ?? revision;
  if (!/^[\w.-]+$/.test(commit)) return undefined;
  const folder = join(root, 'snapshots', commit);
  return isFolder(folder) ? { folder, commit } : undefined;
}

/** Ids of the models, or of the data sets, that the cache holds. */
export function listCached(
  kind: RepositoryKind,
  cache: string = hubCacheFolder(),
): readonly string[] {
  let entries: string[];
  try {
    entries = readdirSync(cache);
  } catch {
    return [];
  }
  const prefix = `${kind}s--`;
  return entries
    .filter((entry) => entry.startsWith(prefix) && isFolder(join(cache, entry, 'snapshots')))
    .map((entry) => entry.slice(prefix.length).replace('--', '/'))
    .sort();
}

/** Paths of all files below a snapshot's folder, with `/` between their parts. */
export function filesOfSnapshot({ folder }: Snapshot): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((path) => existsSync(join(folder, path)))
    .sort();
}
