/** @file The OpenAI-compatible server over a session: requests are served together, and who goes away ends his own. */
import { randomUUID } from 'node:crypto';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { formatPlace, TuneryError } from '../core/errors.ts';
import { type Reply, type ReplyRequest, reply } from '../generate/talk.ts';
import { checkAccess, hasKey, namesLoopback } from './access.ts';
import { chatShape, finishReason, type Shape, textShape, usageOf } from './answers.ts';
import { ChatBody, CompletionBody } from './bodies.ts';
import { cannotListen, unknownModel } from './errors.ts';
import {
  chatRequest,
  choicesOf,
  completionRequests,
  parseBody,
  type ServedTalk,
} from './requests.ts';

export type ServerOptions = {
  readonly host: string;
  readonly port: number;
  /** What the model is called. */
  readonly name: string;
  /** Adapters that a request may name in its place. */
  readonly modules?: readonly string[];
  readonly key: string | undefined;
  /** Told of each request that was answered. */
  readonly answered?: (line: Answered) => void;
  /** Told when the session can answer no more. */
  readonly failed?: (error: TuneryError) => void;
};

export type Answered = {
  readonly path: string;
  readonly status: number;
  readonly prompt_tokens: number;
  readonly new_tokens: number;
  readonly seconds: number;
  readonly cancelled: boolean;
};

export type Server = {
  readonly url: string;
  /** Replies that are asked for and not yet given. */
  pending(): number;
  /** Takes no more requests, and waits for those that it has; `now` ends them where they stand. */
  close(options?: { readonly now: boolean }): Promise<void>;
};

/** Long conversations with tools go over fastify's one megabyte. */
const bodyLimit = 16 << 20;

export async function startServer(talk: ServedTalk, options: ServerOptions): Promise<Server> {
  const { host, port, key } = options;
  checkAccess(host, key);
  const app = fastify({ bodyLimit, forceCloseConnections: 'idle' });
  // A page of another origin may send texts without asking first; JSON it may not.
  app.removeContentTypeParser('text/plain');
  const ending = new AbortController();
  const running = new Set<Promise<unknown>>();

  app.addHook('onRequest', async (request, response) => {
    if (key === undefined) {
      if (namesLoopback(request.headers.host)) return;
      const message =
        'this server answers to the name localhost only; set TUNERY_API_KEY to open it';
      await response.code(403).send(errorBody(message, 'invalid_request_error', null, null));
    } else if (!hasKey(request.headers.authorization, key)) {
      const message = 'the key is missing or wrong: send `Authorization: Bearer KEY`';
      await response
        .code(401)
        .send(errorBody(message, 'invalid_request_error', null, 'invalid_api_key'));
    }
  });
  app.setErrorHandler((error, _request, response) => {
    const { status, body } = toOpenAI(error);
    if (error instanceof TuneryError && isFatal(error)) options.failed?.(error);
    return response.code(status).send(body);
  });
  app.setNotFoundHandler((request, response) =>
    response
      .code(404)
      .send(
        errorBody(
          `there is no ${request.method} ${request.url}`,
          'invalid_request_error',
          null,
          null,
        ),
      ),
  );

  const created = seconds();
  const names = [options.name, ...(options.modules ?? [])];
  const model = (id: string) => ({ id, object: 'model', created, owned_by: 'tunery' });
  const checkName = (asked: string): void => {
    if (!names.includes(asked)) throw unknownModel(asked, names);
  };
  app.get('/v1/models', async () => ({ object: 'list', data: names.map(model) }));
  app.get<{ Params: { '*': string } }>('/v1/models/*', async ({ params }) => {
    checkName(params['*']);
    return model(params['*']);
  });
  /** The choices, by the adapter that the body names. */
  const choices = (
    requests: readonly ReplyRequest[],
    { model, n }: Pick<ChatBody, 'model' | 'n'>,
  ) =>
    choicesOf(
      model === options.name ? requests : requests.map((each) => ({ ...each, module: model })),
      n ?? 1,
    );
  const serve = (
    path: string,
    shape: Shape,
    read: (body: unknown) => {
      readonly requests: readonly ReplyRequest[];
      readonly stream: boolean;
      readonly usage: boolean;
    },
  ): void => {
    app.post(path, (request, response) => {
      const { requests, stream, usage } = read(request.body);
      const work = answer(
        { talk, options, ending: ending.signal, shape, request, response },
        requests,
        {
          stream,
          usage,
        },
      );
      running.add(work);
      const forget = (): void => void running.delete(work);
      work.then(forget, forget);
      return work;
    });
  };
  serve('/v1/chat/completions', chatShape, (body) => {
    const parsed = parseBody(ChatBody, body);
    checkName(parsed.model);
    const requests = choices([chatRequest(talk, parsed)], parsed);
    return { requests, ...streamOf(parsed) };
  });
  serve('/v1/completions', textShape, (body) => {
    const parsed = parseBody(CompletionBody, body);
    checkName(parsed.model);
    const requests = choices(completionRequests(talk, parsed), parsed);
    return { requests, ...streamOf(parsed) };
  });

  const url = await listen(app, host, port);
  let closing: Promise<void> | undefined;
  return {
    url,
    pending: () => running.size,
    async close({ now } = { now: false }) {
      if (now) ending.abort();
      closing ??= closeApp(app, running);
      await closing;
    },
  };
}

/** What was asked for is answered; a connection that has nothing more to say is let go. */
async function closeApp(app: FastifyInstance, running: ReadonlySet<Promise<unknown>>) {
  const letGo = setInterval(() => {
    if (running.size === 0) app.server.closeIdleConnections();
  }, 20);
  try {
    await app.close();
  } finally {
    clearInterval(letGo);
  }
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw cannotListen(host, port, error instanceof Error ? error.message : String(error));
  }
}

const seconds = (): number => Math.floor(Date.now() / 1000);

const streamOf = ({
  stream,
  stream_options,
}: Pick<ChatBody, 'stream' | 'stream_options'>): { stream: boolean; usage: boolean } => ({
  stream: stream === true,
  usage: stream_options?.include_usage === true,
});

type Exchange = {
  readonly talk: ServedTalk;
  readonly options: ServerOptions;
  readonly ending: AbortSignal;
  readonly shape: Shape;
  readonly request: FastifyRequest;
  readonly response: FastifyReply;
};

type Finished = Reply & { readonly promptTokens: number };

/** A prompt counts once, however many choices are asked of it. */
function finished(requests: readonly ReplyRequest[], index: number, reply: Reply): Finished {
  const { ids } = requests[index];
  const isFirst = requests.findIndex((request) => request.ids === ids) === index;
  return { ...reply, ...(isFirst ? { promptTokens: ids.length } : { promptTokens: 0, reused: 0 }) };
}

async function answer(
  exchange: Exchange,
  requests: readonly ReplyRequest[],
  { stream, usage }: { readonly stream: boolean; readonly usage: boolean },
): Promise<unknown> {
  const { options, ending, request, response, shape } = exchange;
  const began = performance.now();
  const gone = new AbortController();
  response.raw.once('close', () => {
    if (!response.raw.writableFinished) gone.abort();
  });
  const signal = AbortSignal.any([ending, gone.signal]);
  const replies: Replies = new Map();
  const head = {
    id: `${shape.prefix}-${randomUUID()}`,
    created: seconds(),
    model: requests[0]?.module ?? options.name,
  };
  try {
    if (stream) return await streamed(exchange, requests, replies, { head, usage, signal });
    await together(requests, signal, async (each, index, signal) => {
      const pieces = reply(exchange.talk, each, signal);
      for (;;) {
        const { done, value } = await pieces.next();
        if (!done) continue;
        replies.set(index, finished(requests, index, value));
        return;
      }
    });
    return {
      ...head,
      object: shape.object,
      choices: requests.map((_, i) => {
        const { text, reason } = replies.get(i)!;
        return shape.choice(i, text, finishReason(reason));
      }),
      usage: usageOf([...replies.values()]),
    };
  } finally {
    const { prompt_tokens, completion_tokens } = usageOf([...replies.values()]);
    options.answered?.({
      path: request.url,
      status: replies.size === requests.length ? 200 : 500,
      prompt_tokens,
      new_tokens: completion_tokens,
      seconds: (performance.now() - began) / 1000,
      cancelled: signal.aborted,
    });
  }
}

/** Replies that are finished, by their place in the request. */
type Replies = Map<number, Finished>;

/** Works on all prompts of a request at once; where one fails, the others end with it. */
async function together(
  requests: readonly ReplyRequest[],
  signal: AbortSignal,
  work: (request: ReplyRequest, index: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  await Promise.all(
    requests.map((each, index) =>
      work(each, index, either).catch((error: unknown) => failed.abort(error)),
    ),
  );
  failed.signal.throwIfAborted();
}

/** Server-sent events. The first piece decides whether it is an answer or an error with its own status. */
async function streamed(
  { talk, response, shape }: Exchange,
  requests: readonly ReplyRequest[],
  replies: Replies,
  {
    head,
    usage,
    signal,
  }: { readonly head: object; readonly usage: boolean; readonly signal: AbortSignal },
): Promise<FastifyReply> {
  const { raw } = response;
  const send = async (data: string): Promise<void> => {
    if (raw.destroyed || raw.write(`data: ${data}\n\n`)) return;
    await new Promise<void>((resolve) => {
      raw.once('drain', resolve);
      raw.once('close', resolve);
    });
  };
  const sendChoices = (choices: readonly object[], more: object = {}): Promise<void> =>
    send(JSON.stringify({ ...head, object: shape.pieceObject, choices, ...more }));
  const none = usage ? { usage: null } : {};
  const begin = (): void => {
    response.hijack();
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
    });
  };
  try {
    await together(requests, signal, async (each, index, signal) => {
      const pieces = reply(talk, each, signal);
      for (let first = true; ; first = false) {
        const { done, value } = await pieces.next();
        if (!raw.headersSent) begin();
        const opening = first ? shape.opening(index) : undefined;
        if (opening) await sendChoices([opening], none);
        if (!done) {
          await sendChoices([shape.piece(index, value)], none);
          continue;
        }
        await sendChoices([shape.closing(index, finishReason(value.reason))], none);
        replies.set(index, finished(requests, index, value));
        return;
      }
    });
    if (usage) await sendChoices([], { usage: usageOf([...replies.values()]) });
    await send('[DONE]');
  } catch (error) {
    if (!raw.headersSent) throw error;
    await send(JSON.stringify(toOpenAI(error).body));
  }
  raw.end();
  return response;
}

const errorBody = (message: string, type: string, param: string | null, code: string | null) => ({
  error: { message, type, param, code },
});

/** The engine's process is gone: nothing more can be asked of it. */
const isFatal = (error: TuneryError): boolean => error.code.startsWith('runs/');

function toOpenAI(error: unknown): { status: number; body: ReturnType<typeof errorBody> } {
  if (error instanceof TuneryError && !isFatal(error)) {
    const { code, place, message } = error;
    const isLong = code === 'generate/context-full' || code === 'generate/cache-full';
    const at = place && place.file !== 'request' ? `${formatPlace(place)}: ` : '';
    return {
      status: code === 'serve/unknown-model' ? 404 : 400,
      body: errorBody(
        at + message,
        'invalid_request_error',
        place?.key ?? (isLong ? 'messages' : null),
        isLong
          ? 'context_length_exceeded'
          : code === 'serve/unknown-model'
            ? 'model_not_found'
            : null,
      ),
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  // fastify's own: a body that is no JSON, too large, of another kind.
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
    return {
      status: error.statusCode,
      body: errorBody(
        message,
        error.statusCode < 500 ? 'invalid_request_error' : 'server_error',
        null,
        null,
      ),
    };
  }
  return { status: 500, body: errorBody(message, 'server_error', null, null) };
}
