/** @file Hugging Face's hub and its mirrors, by their HTTP paths (https://huggingface.co/docs/hub/api). */
import type { Asking, Hub, HubFile, Listing, Located, Sum } from './hub.ts';
import type { HubAccess } from './hub-access.ts';
import type { Repository } from './hub-cache.ts';
import {
  hubAnswer,
  hubFileNotFound,
  hubGated,
  hubNotFound,
  hubRefused,
  revisionNotFound,
} from './hub-errors.ts';
import { ask, textOf } from './hub-http.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from './json.ts';

/** A description lists no more files than so many. */
const mostSiblings = 50_000;

export function huggingFace(access: HubAccess, cache: string): Hub {
  const host = new URL(access.endpoint).host;
  const page = ({ kind, id }: Repository): string =>
    `${access.endpoint}/${kind === 'model' ? '' : 'datasets/'}${id}`;
  const api = ({ kind, id }: Repository): string => `${access.endpoint}/api/${kind}s/${id}`;

  const refusal = (repository: Repository, revision: string, response: Response): Error => {
    const code = response.headers.get('x-error-code') ?? '';
    const hasToken = access.token !== undefined;
    if (code === 'GatedRepo') return hubGated(repository, page(repository), hasToken);
    if (code === 'RevisionNotFound') return revisionNotFound(repository, revision);
    // Who may not know that a repository is there gets the answer of one that is not.
    if (code === 'RepoNotFound' || response.status === 404)
      return hubNotFound(repository, host, hasToken);
    if (response.status === 401 && !hasToken) return hubNotFound(repository, host, false);
    return hubRefused(repository, host, response.status, hasToken);
  };

  const getJson = async (
    url: string,
    repository: Repository,
    revision: string,
    asking: Asking,
  ): Promise<{ value: JsonValue; next: string | undefined }> => {
    const response = await ask(url, { token: access.token, ...asking });
    const text = await textOf(response);
    if (response.status !== 200) {
      if (response.status >= 400) throw refusal(repository, revision, response);
      throw hubAnswer(url, `status ${response.status}`);
    }
    return { value: answerOf(text, url), next: nextPage(response, url) };
  };

  const list: Hub['list'] = async (repository, revision, asking) => {
    const url = `${api(repository)}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const { value } = await getJson(url, repository, revision, asking);
    if (!isJsonObject(value) || typeof value.sha !== 'string')
      throw hubAnswer(url, 'no description of a repository');
    const commit = value.sha;
    if (!/^[\w.-]+$/.test(commit)) throw hubAnswer(url, `the commit \`${commit}\``);
    const siblings = Array.isArray(value.siblings) ? value.siblings : [];
    const isWhole = siblings.length > 0 && siblings.length < mostSiblings;
    const files = isWhole
      ? siblings.filter(isJsonObject).flatMap((file) => fileOf(file, 'rfilename'))
      : await tree(repository, commit, asking);
    return { commit, files } satisfies Listing;
  };

  /** Page by page: for a repository whose description does not list its files. */
  const tree = async (
    repository: Repository,
    commit: string,
    asking: Asking,
  ): Promise<HubFile[]> => {
    const files: HubFile[] = [];
    let url: string | undefined = `${api(repository)}/tree/${commit}?recursive=true`;
    while (url !== undefined) {
      const { value, next } = await getJson(url, repository, commit, asking);
      if (!Array.isArray(value)) throw hubAnswer(url, 'no list of files');
      const entries = value.filter(isJsonObject).filter(({ type }) => type !== 'directory');
      files.push(...entries.flatMap((file) => fileOf(file, 'path')));
      url = next;
    }
    return files;
  };

  const locate: Hub['locate'] = async (repository, { commit }, file, asking) => {
    const path = file.path.split('/').map(encodeURIComponent).join('/');
    const url = `${page(repository)}/resolve/${encodeURIComponent(commit)}/${path}`;
    const response = await headersOf(url, access.token, asking);
    if (response.status === 404 && response.headers.get('x-error-code') !== 'RepoNotFound')
      throw hubFileNotFound(repository, file.path, '');
    if (response.status >= 400) throw refusal(repository, commit, response);
    const linked = response.headers.get('x-linked-etag');
    const etag = plainEtag(linked ?? response.headers.get('etag')) ?? file.sum?.hex;
    if (etag === undefined) throw hubAnswer(url, 'no checksum of the file (ETag)');
    const told = response.headers.get('x-linked-size');
    const length = linked === null ? response.headers.get('content-length') : null;
    const size = sizeOf(told ?? length) ?? file.size;
    return { path: file.path, url, etag, size, sum: sumOf(etag) } satisfies Located;
  };

  return { name: 'huggingface', access, host, cache, mainRevision: 'main', list, locate };
}

/** What the hub says of a file, without the file. */
async function headersOf(
  url: string,
  token: string | undefined,
  asking: Asking,
): Promise<Response> {
  // What a redirect to the store of large files says of them is all that is asked for.
  const until = ({ headers }: Response): boolean => headers.has('x-linked-etag');
  const request = { token, until, ...asking };
  const response = await ask(url, { method: 'HEAD', ...request });
  if (response.status !== 405 && response.status !== 501) return response;
  // A mirror that answers no HEAD.
  const whole = await ask(url, request);
  await whole.body?.cancel();
  return whole;
}

export function answerOf(text: string, url: string): JsonValue {
  try {
    return parseJson(text, { file: url });
  } catch {
    throw hubAnswer(url, `what is no JSON: ${JSON.stringify(text.trim().slice(0, 60))}`);
  }
}

/** One file of a listing; none where its path would lead out of the folder. */
function fileOf(entry: JsonObject, key: 'rfilename' | 'path'): HubFile[] {
  const path = entry[key];
  if (typeof path !== 'string' || !isInside(path)) return [];
  const lfs = isJsonObject(entry.lfs ?? null) ? (entry.lfs as JsonObject) : {};
  const sha256 = lfs.sha256 ?? lfs.oid;
  const git = entry.blobId ?? entry.oid;
  const hex = typeof sha256 === 'string' ? sha256 : typeof git === 'string' ? git : '';
  return [{ path, size: sizeOf(lfs.size ?? entry.size), sum: sumOf(hex) }];
}

/** Whether a path that a server names stays in the folder that it is put into. */
export const isInside = (path: string): boolean =>
  path !== '' &&
  !path.includes('\\') &&
  !path.includes('\0') &&
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

/** `W/"abc"` is `abc`; undefined for none, and for what could be no file's name. */
function plainEtag(etag: string | null): string | undefined {
  const plain = etag?.replace(/^W\//, '').replaceAll('"', '') ?? '';
  return /^[\w.-]+$/.test(plain) && !/^\.+$/.test(plain) ? plain : undefined;
}

/** The hub's ETag of a large file is its SHA-256, that of a small one git's name of the blob. */
export function sumOf(etag: string): Sum | undefined {
  if (/^[0-9a-f]{64}$/.test(etag)) return { kind: 'SHA-256', hex: etag };
  return /^[0-9a-f]{40}$/.test(etag) ? { kind: 'git blob SHA-1', hex: etag } : undefined;
}

function sizeOf(value: unknown): number | undefined {
  const size = typeof value === 'string' ? Number(value) : value;
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : undefined;
}

/** The page that `Link: <…>; rel="next"` names, on the same server. */
function nextPage(response: Response, url: string): string | undefined {
  const match = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.headers.get('link') ?? '');
  if (!match) return undefined;
  const next = new URL(match[1]!, url);
  if (next.origin !== new URL(url).origin) throw hubAnswer(url, 'a next page on another server');
  return next.href;
}
