/** @file What a hub is to those who fetch from it: it lists a repository's files at a revision, and says where each lies. */
import { type HubAccess, huggingFaceAccess, modelScopeAccess } from './hub-access.ts';
import { hubCacheFolder, type Repository, tuneryCache } from './hub-cache.ts';
import type { Patience } from './hub-http.ts';
import { huggingFace } from './hub-huggingface.ts';
import { modelScope } from './hub-modelscope.ts';

/** What a file's content must be. */
export type Sum = { readonly kind: 'SHA-256' | 'git blob SHA-1'; readonly hex: string };

export type HubFile = {
  /** With `/` between its parts. */
  readonly path: string;
  /** In bytes, where the listing tells. */
  readonly size: number | undefined;
  readonly sum: Sum | undefined;
};

export type Listing = {
  /** Names the content: another when any file changes. */
  readonly commit: string;
  readonly files: readonly HubFile[];
};

/** A file of which all is known that fetching it takes. */
export type Located = {
  readonly path: string;
  readonly url: string;
  /** Its name among the cache's blobs. */
  readonly etag: string;
  readonly size: number | undefined;
  readonly sum: Sum | undefined;
};

export type Asking = {
  readonly signal?: AbortSignal | undefined;
  readonly patience?: Patience | undefined;
};

export type Hub = {
  readonly name: 'huggingface' | 'modelscope';
  readonly access: HubAccess;
  /** As people know it. */
  readonly host: string;
  readonly cache: string;
  readonly mainRevision: string;
  readonly list: (repository: Repository, revision: string, asking: Asking) => Promise<Listing>;
  readonly locate: (
    repository: Repository,
    at: { readonly commit: string; readonly revision: string },
    file: HubFile,
    asking: Asking,
  ) => Promise<Located>;
};

export type HubSettings = {
  readonly name?: Hub['name'];
  readonly token?: string | null;
  /** Folder of the cache, where it is not at its usual place. */
  readonly cache?: string | null;
};

export function openHub({ name = 'huggingface', token, cache }: HubSettings = {}): Hub {
  return name === 'huggingface'
    ? huggingFace(huggingFaceAccess(token), cache ?? hubCacheFolder())
    : // ModelScope's files lie as Hugging Face's do, in a folder of their own: two hubs may use one id for two things.
      modelScope(modelScopeAccess(token), cache ?? `${tuneryCache()}/modelscope`);
}
