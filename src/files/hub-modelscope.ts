/** @file ModelScope's hub, by its HTTP paths (`/api/v1/{models,datasets}/{id}/repo…`). */

import { digestOf } from './digest.ts';
import type { Asking, Hub, HubFile, Listing, Located } from './hub.ts';
import type { HubAccess } from './hub-access.ts';
import type { Repository } from './hub-cache.ts';
import { hubAnswer, hubNotFound, hubRefused } from './hub-errors.ts';
import { ask, textOf } from './hub-http.ts';
import { answerOf, isInside, sumOf } from './hub-huggingface.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';

const pageSize = 500;

export function modelScope(access: HubAccess, cache: string): Hub {
  const host = new URL(access.endpoint).host;
  const hasToken = access.token !== undefined;
  const api = ({ kind, id }: Repository): string => `${access.endpoint}/api/v1/${kind}s/${id}/repo`;

  const page = async (
    repository: Repository,
    revision: string,
    number: number,
    asking: Asking,
  ): Promise<readonly JsonValue[]> => {
    const query = new URLSearchParams({ Revision: revision, Recursive: 'true' });
    // Models are listed at once, data sets page by page from a root.
    const isModel = repository.kind === 'model';
    if (!isModel) {
      query.set('Root', '/');
      query.set('PageNumber', String(number));
      query.set('PageSize', String(pageSize));
    }
    const url = `${api(repository)}/${isModel ? 'files' : 'tree'}?${query}`;
    const response = await ask(url, { token: access.token, ...asking });
    const text = await textOf(response);
    if (response.status === 404) throw hubNotFound(repository, host, hasToken);
    if (response.status >= 400) throw hubRefused(repository, host, response.status, hasToken);
    const value = answerOf(text, url);
    if (isJsonObject(value) && value.Success === false)
      throw hubNotFound(repository, host, hasToken);
    const data = isJsonObject(value) && isJsonObject(value.Data ?? null) ? value.Data : {};
    const files = (data as JsonObject).Files;
    if (!Array.isArray(files)) throw hubAnswer(url, 'no list of files');
    return files;
  };

  const list: Hub['list'] = async (repository, revision, asking) => {
    const files: HubFile[] = [];
    for (let number = 1; ; number++) {
      const entries = await page(repository, revision, number, asking);
      files.push(...entries.filter(isJsonObject).flatMap(fileOf));
      if (repository.kind === 'model' || entries.length < pageSize) break;
    }
    // It names no commit: the content does.
    const commit = digestOf(...files.map(({ path, sum, size }) => `${path} ${sum?.hex} ${size}`));
    return { commit: commit.slice(0, 40), files } satisfies Listing;
  };

  const locate: Hub['locate'] = async (repository, { revision }, { path, size, sum }) => {
    const query = new URLSearchParams({ Revision: revision, FilePath: path });
    const etag = sum?.hex ?? digestOf(repository.id, path, String(size));
    return { path, url: `${api(repository)}?${query}`, etag, size, sum } satisfies Located;
  };

  return { name: 'modelscope', access, host, cache, mainRevision: 'master', list, locate };
}

function fileOf({ Type: type, Path: path, Size: size, Sha256: sha256 }: JsonObject): HubFile[] {
  if (type === 'tree' || typeof path !== 'string' || !isInside(path)) return [];
  const sum = typeof sha256 === 'string' ? sumOf(sha256) : undefined;
  return [{ path, size: typeof size === 'number' ? size : undefined, sum }];
}
