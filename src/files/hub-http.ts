/** @file Requests to a hub: redirects that keep the token at home, patience with a busy server, and plain words for what failed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { environment } from '../native/environment.ts';
import { useProxy } from '../native/proxy.ts';
import { hubAnswer, hubBusy, hubUnreachable } from './hub-errors.ts';

export type Patience = {
  /** Times that a request is tried. */
  readonly attempts: number;
  /** Wait before the second try; it doubles from try to try. */
  readonly firstWaitMs: number;
  /** Longest wait, and the longest that a server may ask for. */
  readonly longestWaitMs: number;
  /** Time without an answer, or without a byte of it, after which a connection counts as cut. */
  readonly silenceMs: number;
};

export const patience: Patience = {
  attempts: 5,
  firstWaitMs: 500,
  longestWaitMs: 30_000,
  // In seconds, as `huggingface_hub` reads it.
  silenceMs: 1000 * (Number(environment('HF_HUB_DOWNLOAD_TIMEOUT')) || 20),
};

export type HubRequest = {
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly patience?: Patience | undefined;
  /** Ends the way through redirects: what it is true of is the answer. */
  readonly until?: (response: Response) => boolean;
};

const mostRedirects = 10;
const busy: readonly number[] = [408, 429, 500, 502, 503, 504];

/** Waits before try `attempt` (from 1), as long as the server asked for or twice as long as the time before. */
export async function waitBefore(
  attempt: number,
  { firstWaitMs, longestWaitMs }: Patience,
  signal: AbortSignal | undefined,
  response?: Response,
): Promise<void> {
  const asked = Number(response?.headers.get('retry-after') ?? Number.NaN) * 1000;
  const wait = Number.isFinite(asked) ? asked : firstWaitMs * 2 ** (attempt - 1);
  await sleep(Math.min(wait, longestWaitMs), undefined, signal ? { signal } : {});
}

/** The answer, of whatever status but those of a busy server, which is asked again. */
export async function ask(url: string, request: HubRequest = {}): Promise<Response> {
  useProxy();
  const limits = request.patience ?? patience;
  for (let attempt = 1; ; attempt++) {
    const last = attempt >= limits.attempts;
    try {
      const response = await follow(url, request, limits);
      if (!busy.includes(response.status)) return response;
      await response.body?.cancel();
      if (last) throw hubBusy(new URL(url).host, response.status, attempt);
      await waitBefore(attempt, limits, request.signal, response);
    } catch (error) {
      request.signal?.throwIfAborted();
      const why = connectionFault(error);
      if (why === undefined) throw error;
      if (last || isHopeless(error)) throw hubUnreachable(new URL(url).host, why, attempt);
      await waitBefore(attempt, limits, request.signal);
    }
  }
}

async function follow(url: string, request: HubRequest, limits: Patience): Promise<Response> {
  const home = new URL(url);
  let at = home;
  for (let i = 0; i <= mostRedirects; i++) {
    // A redirect may lead to another's server, which must not learn the token.
    const authorization =
      request.token !== undefined && at.origin === home.origin
        ? { authorization: `Bearer ${request.token}` }
        : {};
    const response = await send(at, limits.silenceMs, request.signal, {
      method: request.method ?? 'GET',
      redirect: 'manual',
      headers: {
        // Sizes and ranges are those of the file itself.
        'accept-encoding': 'identity',
        'user-agent': 'tunery',
        ...request.headers,
        ...authorization,
      },
    });
    const location = response.headers.get('location');
    const redirects = response.status >= 300 && response.status < 400 && location !== null;
    if (!redirects || request.until?.(response)) return response;
    await response.body?.cancel();
    at = new URL(location, at);
  }
  throw hubAnswer(url, `more than ${mostRedirects} redirects`);
}

const silent = (): DOMException => new DOMException('no answer', 'TimeoutError');

/** Gives up on a request that gets no answer in time; the body that follows is watched by its reader. */
async function send(
  url: URL,
  silenceMs: number,
  signal: AbortSignal | undefined,
  init: RequestInit,
): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(silent()), silenceMs);
  try {
    return await fetch(url, {
      ...init,
      signal: signal ? AbortSignal.any([late.signal, signal]) : late.signal,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** The body, piece by piece. Throws what `connectionFault` knows where it is cut or goes silent. */
export async function* piecesOf(
  response: Response,
  silenceMs: number = patience.silenceMs,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!response.body) return;
  const reader = response.body.getReader();
  let late = false;
  try {
    for (;;) {
      const timer = setTimeout(() => {
        late = true;
        reader.cancel().catch(() => {});
      }, silenceMs);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (late) throw silent();
      if (done) return;
      yield value;
    }
  } finally {
    // Of no use where all was read; else it closes the connection.
    reader.cancel().catch(() => {});
  }
}

/** The largest answer that is no file: a listing of some hundred thousand files. */
const largestAnswer = 256e6;

/** The answer's text. */
export async function textOf(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of piecesOf(response)) {
    size += piece.length;
    if (size > largestAnswer) throw hubAnswer(response.url, 'more than a listing could be');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

const cut = 'the connection was cut';

/** As a body says it that ended before its time. */
export const cutShort = (): TypeError => new TypeError('terminated');

const faults: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known (is there a network?)',
  EAI_AGAIN: 'its name cannot be looked up (is there a network?)',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: cut,
  EPIPE: cut,
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no network',
  UND_ERR_SOCKET: cut,
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  UND_ERR_HEADERS_TIMEOUT: 'it does not answer',
  UND_ERR_BODY_TIMEOUT: 'it went silent',
};

/** What a failed connection means; undefined for an error of another kind. */
export function connectionFault(error: unknown): string | undefined {
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'it does not answer';
  // So does `fetch` tell of its connections, and a body that was cut.
  if (!(error instanceof TypeError)) return undefined;
  if (error.cause === undefined) return error.message === 'terminated' ? cut : undefined;
  const { cause } = error;
  return faults[codeOf(cause) ?? ''] ?? (cause instanceof Error ? cause.message : String(cause));
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** Where another try would end the same way: no such name, nobody there, a certificate that is none. */
function isHopeless(error: unknown): boolean {
  const code = codeOf(error instanceof Error ? (error.cause ?? error) : error) ?? '';
  return /^(ENOTFOUND|ECONNREFUSED|ENETUNREACH|.*CERT.*|ERR_TLS.*|SELF_SIGNED.*|UNABLE_TO_.*)$/.test(
    code,
  );
}
