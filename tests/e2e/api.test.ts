/** The real server, process and all, as the `openai` client talks to it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import OpenAI, { APIError } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const launcher = fileURLToPath(new URL('../../bin/tunery.js', import.meta.url));

type Line = Readonly<Record<string, unknown>>;
type Api = {
  readonly url: string;
  readonly client: OpenAI;
  readonly lines: Line[];
  readonly child: ChildProcess;
  /** Sends a signal, and resolves to the exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
};

async function serve(
  settings: readonly string[],
  { key = 'none', env = {} }: { key?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<Api> {
  const child = spawn(process.execPath, [launcher, 'api', 'api_port=0', '--json', ...settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const lines: Line[] = [];
  const reader = createInterface({ input: child.stdout });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    reader.on('line', (line) => {
      const value: Line = JSON.parse(line);
      lines.push(value);
      if (value['type'] === 'listening') resolve(String(value['url']));
    });
  });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const end = async (signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> => {
    const ended = once(child, 'exit');
    child.kill(signal);
    const [code] = await ended;
    return code;
  };
  return { url, client, lines, child, end };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !condition(); i++) await new Promise((r) => setTimeout(r, 10));
  expect(condition()).toBe(true);
}

const refused = async (call: Promise<unknown>): Promise<APIError> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof APIError)) throw new Error(`was not refused: ${String(error)}`);
  return error;
};

describe('with a tiny random model', () => {
  const model = 'random:llama';
  const tiny = 'model_name_or_path=random:llama?hidden_size=64&max_position_embeddings=2048';
  const hello = [{ role: 'user', content: 'Hello' }] as const;
  let api: Api;
  beforeAll(async () => {
    api = await serve([tiny, 'max_new_tokens=20']);
  });
  afterAll(() => api.child.kill('SIGKILL'));

  test('lists its model', async () => {
    const { data } = await api.client.models.list();
    expect(data).toMatchObject([{ id: model, object: 'model', owned_by: 'tunery' }]);
    expect(await api.client.models.retrieve(model)).toEqual(data[0]);
    expect(await refused(api.client.models.retrieve('gpt-5'))).toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  test('answers, the same by the same seed, and streams the same', async () => {
    const body = { model, messages: [...hello], seed: 5, temperature: 1 };
    const whole = await api.client.chat.completions.create(body);
    expect(whole).toMatchObject({
      object: 'chat.completion',
      model,
      choices: [{ index: 0, message: { role: 'assistant' }, finish_reason: 'length' }],
      usage: { completion_tokens: 20 },
    });
    const { content } = whole.choices[0].message;
    expect(content?.length).toBeGreaterThan(0);
    const stream = await api.client.chat.completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    const reasons: (string | null)[] = [];
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      expect(chunk).toMatchObject({ object: 'chat.completion.chunk', model });
      for (const { delta, finish_reason } of chunk.choices) {
        text += delta.content ?? '';
        reasons.push(finish_reason);
      }
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(content);
    expect(reasons.at(-1)).toBe('length');
    expect(reasons.slice(0, -1).every((reason) => reason === null)).toBe(true);
    const cached_tokens = Number(whole.usage?.prompt_tokens) - 1;
    expect(usage).toEqual({ ...whole.usage, prompt_tokens_details: { cached_tokens } });
    const other = await api.client.chat.completions.create({ ...body, seed: 6 });
    expect(other.choices[0].message.content).not.toBe(content);
  });

  test('stops before a stop text, however it is cut into tokens, and gives nothing of it out', async () => {
    const body = { model, messages: [...hello], temperature: 0, max_tokens: 30 };
    const full = await api.client.chat.completions.create(body);
    const content = full.choices[0].message.content ?? '';
    const stop = content.slice(8, 11);
    const expected = content.slice(0, content.indexOf(stop));
    const stopped = await api.client.chat.completions.create({ ...body, stop });
    expect(stopped.choices[0]).toMatchObject({
      message: { content: expected },
      finish_reason: 'stop',
    });
    expect(stopped.usage?.completion_tokens).toBeLessThan(30);
    let text = '';
    const stream = await api.client.chat.completions.create({
      ...body,
      stop: ['never', stop],
      stream: true,
    });
    for await (const { choices } of stream) text += choices[0].delta.content ?? '';
    expect(text).toBe(expected);
  });

  test('completes texts and tokens', async () => {
    const body = { model, max_tokens: 5, temperature: 0 };
    const two = await api.client.completions.create({ ...body, prompt: ['One', 'Two'] });
    expect(two.choices.map(({ index }) => index)).toEqual([0, 1]);
    expect(two.usage).toMatchObject({ prompt_tokens: 6, completion_tokens: 10 });
    const ids = [...Buffer.from('Two')];
    const byIds = await api.client.completions.create({ ...body, prompt: ids });
    expect(byIds.choices[0].text).toBe(two.choices[1].text);
    let text = '';
    const stream = await api.client.completions.create({ ...body, prompt: 'One', stream: true });
    for await (const { choices } of stream) text += choices[0].text;
    expect(text).toBe(two.choices[0].text);
  });

  test('reads system messages, parts, and a conversation that goes on', async () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: [{ type: 'text', text: 'Hello' }] },
      { role: 'assistant', content: 'Hi' },
      { role: 'user', content: 'And?' },
    ] satisfies OpenAI.ChatCompletionMessageParam[];
    const text = '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n';
    const rest = '<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n';
    const { usage } = await api.client.chat.completions.create({ model, messages });
    const full = await api.client.completions.create({
      model,
      prompt: `${text}${rest}<|im_start|>assistant\n`,
    });
    expect(usage?.prompt_tokens).toBe(full.usage?.prompt_tokens);
    // All but the last token is what was read before.
    expect(full.usage?.prompt_tokens_details?.cached_tokens).toBe(Number(usage?.prompt_tokens) - 1);
  });

  test.each<[string, object, RegExp, string | null]>([
    ['a model that is not there', { model: 'gpt-5' }, /no model `gpt-5`.*`random:llama`/, 'model'],
    ['no messages', { messages: [] }, /messages/, 'messages'],
    ['a role', { messages: [{ role: 'usr', content: 'x' }] }, /usr/, 'messages[0].role'],
    [
      'an image',
      { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      /image_url/,
      'messages[0].content[0]',
    ],
    ['no choices', { n: 0 }, /`n`/, 'n'],
    [
      'a schema',
      { response_format: { type: 'json_object' } },
      /response_format/,
      'response_format.type',
    ],
    ['a penalty', { presence_penalty: 0.5 }, /presence_penalty/, 'presence_penalty'],
    ['a temperature', { temperature: -1 }, /temperature/, 'temperature'],
    [
      'tools, for which the template has no place',
      { tools: [{ type: 'function', function: { name: 'f' } }] },
      /no place for tools/,
      'tools',
    ],
    [
      'too long a prompt',
      { messages: [{ role: 'user', content: 'x'.repeat(3000) }] },
      /context holds 2048/,
      'messages',
    ],
  ])('refuses %s, and says why', async (_, changes, message, param) => {
    const body = { model, messages: [...hello], ...changes };
    const error = await refused(api.client.chat.completions.create(body));
    expect(error.message).toMatch(message);
    expect([error.param, error.type]).toEqual([param, 'invalid_request_error']);
    expect([400, 404]).toContain(error.status);
    // The same with a stream: an error before the first token has its own status.
    const streamed = await refused(api.client.chat.completions.create({ ...body, stream: true }));
    expect(streamed.status).toBe(error.status);
  });

  test('refuses what is no request', async () => {
    const post = (body: string, headers: Record<string, string> = {}) =>
      fetch(`${api.url}/v1/chat/completions`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      });
    expect((await post('{')).status).toBe(400);
    expect((await post('{}', { 'content-type': 'text/plain' })).status).toBe(415);
    const nowhere = await fetch(`${api.url}/v1/nothing`);
    expect(nowhere.status).toBe(404);
    expect(await nowhere.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
  });

  test('a client that goes away ends its reply, and the next is answered', async () => {
    const body = { model, messages: [...hello], max_tokens: 1900, temperature: 1, seed: 3 };
    const cancelled = () => api.lines.filter((line) => line['cancelled'] === true);
    const impatient = new AbortController();
    const beside = api.client.chat.completions.create(body, { signal: impatient.signal });
    beside.catch(() => undefined);
    // What came later is answered: so the first is with the server by now.
    await api.client.chat.completions.create({ ...body, max_tokens: 1 });
    const controller = new AbortController();
    const stream = await api.client.chat.completions.create(
      { ...body, stream: true },
      { signal: controller.signal },
    );
    let pieces = 0;
    for await (const _ of stream) {
      if (++pieces < 10) continue;
      impatient.abort();
      controller.abort();
      break;
    }
    await expect(beside).rejects.toThrow();
    await api.client.chat.completions.create({ ...body, max_tokens: 3 });
    await until(() => cancelled().length === 2);
    for (const { new_tokens } of cancelled()) expect(Number(new_tokens)).toBeLessThan(1000);
  });

  test('requests that come at once are all answered, each its own', async () => {
    const ask = (seed: number) =>
      api.client.chat.completions.create({
        model,
        messages: [{ role: 'user', content: `Number ${seed}` }],
        temperature: 1,
        seed,
      });
    const contents = async (asked: readonly ReturnType<typeof ask>[]) =>
      (await Promise.all(asked)).map(({ choices }) => choices[0].message.content);
    const together = await contents([1, 2, 3, 4].map(ask));
    const alone = [];
    for (const seed of [1, 2, 3, 4]) alone.push(...(await contents([ask(seed)])));
    expect(together).toEqual(alone);
    expect(new Set(together).size).toBe(4);
  });

  test('several choices share their prompt, and each draws by a seed of its own', async () => {
    const messages = [{ role: 'user', content: 'Three of them' }] as const;
    const body = { model, messages: [...messages], temperature: 1, seed: 40, max_tokens: 12 };
    const { choices, usage } = await api.client.chat.completions.create({ ...body, n: 3 });
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    const alone = [];
    for (const seed of [40, 41, 42]) {
      const one = await api.client.chat.completions.create({ ...body, seed });
      alone.push(one.choices[0].message.content);
      expect(one.usage?.prompt_tokens).toBe(usage?.prompt_tokens);
    }
    expect(choices.map(({ message }) => message.content)).toEqual(alone);
    const texts = ['', '', ''];
    const stream = await api.client.chat.completions.create({ ...body, n: 3, stream: true });
    for await (const chunk of stream) {
      for (const { index, delta } of chunk.choices) texts[index] += delta.content ?? '';
    }
    expect(texts).toEqual(alone);
  });

  test('two clients that stream at once both get on, and neither waits for the other', async () => {
    const order: number[] = [];
    const read = async (client: number): Promise<string> => {
      const stream = await api.client.chat.completions.create({
        ...{ model, messages: [{ role: 'user', content: `I am ${client}` }], stream: true },
        ...{ max_tokens: 400, temperature: 1, seed: client },
      });
      let text = '';
      for await (const { choices } of stream) {
        text += choices[0].delta.content ?? '';
        order.push(client);
      }
      return text;
    };
    const together = await Promise.all([read(1), read(2)]);
    // Each had its first pieces long before the other's last.
    for (const [first, other] of [
      [1, 2],
      [2, 1],
    ]) {
      const before = order.slice(0, order.lastIndexOf(other));
      expect(before.filter((client) => client === first).length).toBeGreaterThan(20);
    }
    expect([await read(1), await read(2)]).toEqual(together);
  });

  test('Ctrl+C lets a reply finish; then it is gone', async () => {
    const own = await serve([tiny]);
    const body = { model, messages: [...hello], max_tokens: 300, temperature: 1, seed: 2 };
    const stream = await own.client.chat.completions.create({ ...body, stream: true });
    let reason: string | null = null;
    let ended: Promise<number | null> | undefined;
    for await (const { choices } of stream) {
      ended ??= own.end();
      reason = choices[0].finish_reason;
    }
    expect(reason).toBe('length');
    expect(await ended).toBe(130);
    await expect(fetch(`${own.url}/v1/models`)).rejects.toThrow();
  });

  test('a second Ctrl+C ends a reply where it stands', async () => {
    const own = await serve([tiny]);
    const body = { model, messages: [...hello], max_tokens: 1900, temperature: 1, seed: 2 };
    const stream = await own.client.chat.completions.create({ ...body, stream: true });
    let pieces = 0;
    let ended: Promise<number | null> | undefined;
    for await (const _ of stream) {
      if (++pieces === 3) {
        ended = own.end();
        setTimeout(() => own.child.kill('SIGINT'), 100);
      }
    }
    expect(pieces).toBeLessThan(1000);
    expect(await ended).toBe(130);
  });

  test.runIf(process.platform === 'linux')(
    'where its engine dies, the server says so and ends',
    async () => {
      const own = await serve([tiny]);
      const { pid } = own.child;
      const engine = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
      expect(engine).toBeGreaterThan(0);
      process.kill(engine, 'SIGKILL');
      const ended = once(own.child, 'exit');
      const call = own.client.chat.completions.create({ model, messages: [...hello] });
      expect((await refused(call)).status).toBe(500);
      expect((await ended)[0]).toBe(1);
      expect(own.lines.at(-1)).toMatchObject({ error: { code: 'runs/engine-killed' } });
    },
  );

  test('with a key, only who has it is answered', async () => {
    const own = await serve([tiny, 'api_host=0.0.0.0'], {
      env: { TUNERY_API_KEY: 'correct-horse' },
    });
    try {
      const url = own.url.replace('0.0.0.0', '127.0.0.1');
      const clientOf = (apiKey: string) =>
        new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
      expect((await clientOf('correct-horse').models.list()).data.length).toBe(1);
      const error = await refused(clientOf('wrong').models.list().then());
      expect(error).toMatchObject({ status: 401, code: 'invalid_api_key' });
      expect((await fetch(`${url}/v1/models`)).status).toBe(401);
    } finally {
      expect(await own.end('SIGTERM')).toBe(130);
    }
  });
});

describe('refuses to start', () => {
  const start = async (...settings: string[]) => {
    const child = spawn(process.execPath, [launcher, 'api', ...settings], { stdio: 'pipe' });
    let error = '';
    child.stderr.on('data', (piece) => {
      error += piece;
    });
    const [code] = await once(child, 'close');
    return { code, error };
  };
  const tiny = 'model_name_or_path=random:llama?hidden_size=64';

  test('for other machines without a key', async () => {
    const { code, error } = await start(tiny, 'api_host=0.0.0.0');
    expect(code).toBe(1);
    expect(error).toMatch(/error\[serve\/key-required\]: `api_host` is 0.0.0.0.*no key/);
    expect(error).toContain('TUNERY_API_KEY');
  });

  test('where the port is taken', async () => {
    const own = await serve([tiny]);
    const { port } = new URL(own.url);
    const { code, error } = await start(tiny, `api_port=${port}`);
    expect(code).toBe(1);
    expect(error).toContain(`cannot listen on 127.0.0.1, port ${port}`);
    await own.end();
  });
});

test('the real model answers a question', { timeout: 120_000 }, async () => {
  const own = await serve(['model_name_or_path=HuggingFaceTB/SmolLM2-135M-Instruct']);
  try {
    const { choices, usage } = await own.client.chat.completions.create({
      model: 'SmolLM2-135M-Instruct',
      // Without the second sentence, a French reply is so near that a last bit decides.
      messages: [{ role: 'user', content: 'What is the capital of France? Answer in one word.' }],
      temperature: 0,
      max_completion_tokens: 24,
    });
    expect(choices[0].message.content).toContain('Paris');
    expect(choices[0].finish_reason).toBe('stop');
    expect(usage?.completion_tokens).toBeLessThan(24);
  } finally {
    await own.end();
  }
});
