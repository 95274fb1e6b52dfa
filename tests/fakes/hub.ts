/** @file A hub on this machine: the HTTP paths of Hugging Face's and of ModelScope's, with faults on request. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Repository = {
  readonly kind: 'model' | 'dataset';
  readonly id: string;
  /** By path. */
  readonly files: Readonly<Record<string, string | Buffer>>;
  /** Other branches, by name. */
  readonly branches?: Readonly<Record<string, Readonly<Record<string, string | Buffer>>>>;
  /** Only this token may read it. */
  readonly token?: string;
  readonly gated?: boolean;
  /** An id that it had before: the hub redirects from there. */
  readonly formerId?: string;
};

export type Asked = {
  readonly method: string;
  readonly path: string;
  readonly host: 'hub' | 'store';
  readonly range: string | undefined;
  readonly authorization: string | undefined;
};

/** What goes wrong when a file's content is asked for. */
export type Faults = {
  /** Ends the connection after so many bytes of each of the next answers. */
  cutAfter?: number[];
  /** Statuses of the next answers. */
  statuses?: number[];
  /** Changes what is sent. */
  spoil?: (path: string, bytes: Buffer) => Buffer;
  /** Waits between pieces of a thousand bytes. */
  pieceMs?: number;
  /** Begins to answer, and says nothing more. */
  silent?: boolean;
  /** Answers no HEAD. */
  noHead?: boolean;
  /** Knows no ranges. */
  noRanges?: boolean;
  /** Lists no files in a repository's description, and few on a page. */
  pageSize?: number;
};

export type FakeHub = {
  readonly url: string;
  readonly asked: Asked[];
  readonly faults: Faults;
  /** Those of one method, or of contents only. */
  readonly contents: () => Asked[];
  readonly close: () => Promise<void>;
};

/** As git has it for a large file: its content lies in the store. */
const isLarge = (path: string): boolean => /\.(safetensors|gguf|parquet|arrow|gz|zip)$/.test(path);

export const sha256 = (bytes: string | Buffer): string =>
  createHash('sha256').update(bytes).digest('hex');
export const gitSha1 = (content: string | Buffer): string => {
  const bytes = Buffer.from(content);
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
};
export const commitOf = (files: Repository['files']): string =>
  createHash('sha1')
    .update(
      Object.entries(files)
        .map(([path, bytes]) => `${path} ${gitSha1(bytes)}`)
        .join('\n'),
    )
    .digest('hex');

export async function startHub(repositories: readonly Repository[]): Promise<FakeHub> {
  const asked: Asked[] = [];
  const faults: Faults = {};
  const note = (request: IncomingMessage, host: Asked['host']): void => {
    const { method = '', url = '', headers } = request;
    asked.push({
      method,
      path: url,
      host,
      range: headers.range,
      authorization: headers.authorization,
    });
  };
  const store = await listen((request, response) => {
    note(request, 'store');
    const [, sum] = /^\/([0-9a-f]{64})/.exec(request.url ?? '') ?? [];
    for (const { files, branches = {} } of repositories) {
      for (const tree of [files, ...Object.values(branches)]) {
        for (const [path, bytes] of Object.entries(tree)) {
          if (sha256(bytes) === sum)
            return send(path, Buffer.from(bytes), request, response, faults);
        }
      }
    }
    response.writeHead(404).end();
  });
  // Another host by its name too: huggingface_hub looks at names alone.
  const storeUrl = store.url.replace('127.0.0.1', 'localhost');
  const hub = await listen((request, response) => {
    note(request, 'hub');
    const url = new URL(request.url ?? '/', 'http://hub');
    if (faults.noHead && request.method === 'HEAD') {
      response.writeHead(501).end();
      return;
    }
    const moved = repositories.find(
      ({ formerId }) => formerId !== undefined && url.pathname.includes(`/${formerId}/`),
    );
    if (moved?.formerId !== undefined) {
      const location = (request.url ?? '').replace(`/${moved.formerId}/`, `/${moved.id}/`);
      response.writeHead(307, { location }).end();
      return;
    }
    const answered =
      huggingFace(url, request, response, repositories, storeUrl, faults) ||
      modelScope(url, request, response, repositories, faults);
    if (!answered) fail(response, 404, 'RepoNotFound');
  });
  return {
    url: hub.url,
    asked,
    faults,
    contents: () =>
      asked.filter(
        ({ method, host, path }) =>
          method === 'GET' && (host === 'store' || /\/resolve\/|\/repo\?/.test(path)),
      ),
    close: async () => {
      await hub.close();
      await store.close();
    },
  };
}

async function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<{ url: string; close: () => Promise<void> }> {
  const server: Server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const fail = (response: ServerResponse, status: number, code: string): void => {
  response
    .writeHead(status, code === '' ? {} : { 'x-error-code': code })
    .end(JSON.stringify({ error: code }));
};

const json = (
  response: ServerResponse,
  value: unknown,
  headers: Record<string, string> = {},
): void => {
  response
    .writeHead(200, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify(value));
};

function huggingFace(
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
  repositories: readonly Repository[],
  store: string,
  faults: Faults,
): boolean {
  const path = decodeURIComponent(url.pathname);
  const info = /^\/api\/(model|dataset)s\/([^/]+\/[^/]+|[^/]+)\/(revision|tree)\/(.+)$/.exec(path);
  const file = /^\/(datasets\/)?([^/]+\/[^/]+|[^/]+)\/resolve\/(.+)$/.exec(path);
  if (!info && !file) return false;
  const kind = info ? info[1] : file![1] ? 'dataset' : 'model';
  const id = info ? info[2] : file![2];
  const found = repositories.find((each) => each.kind === kind && each.id === id);
  const allowed = request.headers.authorization === `Bearer ${found?.token}`;
  if (!found || (found.token !== undefined && !found.gated && !allowed)) {
    fail(response, 401, 'RepoNotFound');
    return true;
  }
  const treeOf = (revision: string) =>
    revision === 'main'
      ? found.files
      : (found.branches?.[revision] ??
        [found.files, ...Object.values(found.branches ?? {})].find(
          (each) => commitOf(each) === revision,
        ));
  if (info) {
    const tree = treeOf(info[4]!);
    if (!tree) fail(response, 404, 'RevisionNotFound');
    else if (info[3] === 'tree') treePage(url, response, tree, faults.pageSize ?? 1000);
    else
      json(response, {
        id,
        sha: commitOf(tree),
        ...(faults.pageSize ? {} : { siblings: siblings(tree) }),
      });
    return true;
  }
  const revision = [
    'main',
    ...Object.keys(found.branches ?? {}),
    ...[found.files, ...Object.values(found.branches ?? {})].map(commitOf),
  ].find((each) => file![3]!.startsWith(`${each}/`));
  const tree = revision === undefined ? undefined : treeOf(revision);
  const name = file![3]!.slice((revision ?? '').length + 1);
  const bytes = tree?.[name];
  if (found.gated && !allowed)
    fail(response, request.headers.authorization ? 403 : 401, 'GatedRepo');
  else if (!tree || bytes === undefined)
    fail(response, 404, tree ? 'EntryNotFound' : 'RevisionNotFound');
  else if (isLarge(name)) {
    response
      .writeHead(302, {
        location: `${store}/${sha256(bytes)}`,
        'x-repo-commit': commitOf(tree),
        'x-linked-etag': `"${sha256(bytes)}"`,
        'x-linked-size': String(bytes.length),
        etag: '"of the redirect"',
      })
      .end();
  } else {
    response.setHeader('x-repo-commit', commitOf(tree));
    response.setHeader('etag', `"${gitSha1(bytes)}"`);
    send(name, Buffer.from(bytes), request, response, faults);
  }
  return true;
}

const siblings = (tree: Repository['files']) =>
  Object.entries(tree).map(([path, bytes]) => ({
    rfilename: path,
    size: Buffer.from(bytes).length,
    blobId: gitSha1(bytes),
    ...(isLarge(path)
      ? { lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 130 } }
      : {}),
  }));

function treePage(
  url: URL,
  response: ServerResponse,
  tree: Repository['files'],
  size: number,
): void {
  const from = Number(url.searchParams.get('cursor') ?? 0);
  const all = siblings(tree).map(({ rfilename, blobId, lfs, ...rest }) => ({
    type: 'file',
    path: rfilename,
    oid: blobId,
    ...rest,
    ...(lfs ? { lfs: { oid: lfs.sha256, size: lfs.size, pointerSize: 130 } } : {}),
  }));
  const next = `${url.pathname}?recursive=true&cursor=${from + size}`;
  json(
    response,
    [
      { type: 'directory', path: 'data', oid: '0'.repeat(40), size: 0 },
      ...all.slice(from, from + size),
    ],
    from + size < all.length ? { link: `<${next}>; rel="next"` } : {},
  );
}

function modelScope(
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
  repositories: readonly Repository[],
  faults: Faults,
): boolean {
  const [, kind, id, rest = ''] =
    /^\/api\/v1\/(model|dataset)s\/([^/]+\/[^/]+)\/repo(\/files|\/tree)?$/.exec(url.pathname) ?? [];
  const found = repositories.find((each) => each.kind === kind && each.id === id);
  if (!found) return false;
  if (rest !== '') {
    const all = Object.entries(found.files).map(([path, bytes]) => ({
      Type: 'blob',
      Path: path,
      Size: Buffer.from(bytes).length,
      Sha256: sha256(bytes),
    }));
    json(response, {
      Code: 200,
      Success: true,
      Data: { Files: [{ Type: 'tree', Path: 'data' }, ...all] },
    });
    return true;
  }
  const name = url.searchParams.get('FilePath') ?? '';
  const bytes = found.files[name];
  if (bytes === undefined) fail(response, 404, '');
  else send(name, Buffer.from(bytes), request, response, faults);
  return true;
}

/** A file's content, or a part of it, with the faults that are due. */
async function send(
  path: string,
  whole: Buffer,
  request: IncomingMessage,
  response: ServerResponse,
  faults: Faults,
): Promise<void> {
  const bytes = faults.spoil?.(path, whole) ?? whole;
  if (request.method === 'HEAD') {
    response.writeHead(200, { 'content-length': bytes.length, 'accept-ranges': 'bytes' }).end();
    return;
  }
  const status = faults.statuses?.shift();
  if (status !== undefined) {
    response.writeHead(status, { 'retry-after': '0' }).end();
    return;
  }
  const [, from] =
    (faults.noRanges ? undefined : /^bytes=(\d+)-$/.exec(request.headers.range ?? '')) ?? [];
  const start = Number(from ?? 0);
  if (start > 0 && start >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  const part = bytes.subarray(start);
  response.writeHead(from === undefined ? 200 : 206, {
    'content-length': part.length,
    ...(from === undefined
      ? {}
      : { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
  });
  if (faults.silent) return response.flushHeaders();
  const cut = faults.cutAfter?.shift();
  if (cut !== undefined) {
    response.write(part.subarray(0, cut), () => setTimeout(() => response.destroy(), 20));
    return;
  }
  for (let at = 0; at < part.length; at += 1000) {
    response.write(part.subarray(at, at + 1000));
    if (faults.pieceMs) await new Promise((resolve) => setTimeout(resolve, faults.pieceMs));
    if (response.destroyed) return;
  }
  response.end();
}
