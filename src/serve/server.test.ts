import { expect, test } from 'vitest';
import type { GenerateRequest } from '../generate/session.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { startServer } from './server.ts';

test('a request chooses an adapter by its name, and is answered in that name', async () => {
  const asked: GenerateRequest[] = [];
  const server = await startServer(
    {
      session: {
        about: { model: 'x', adapters: [], dtype: 'f32', context_length: null },
        async *generate(request) {
          asked.push(request);
          // A byte is a token.
          yield { sequence: 0, id: 0x41 };
          return [{ ids: Int32Array.of(0x41), reason: 'stop', reused: 0 }];
        },
        score: async () => [],
        close: async () => {},
      },
      ...{ template: undefined, tokenizer: byteTokenizer(), stopIds: [] },
      settings: {
        ...{ do_sample: true, temperature: 1, top_p: 1, top_k: 0, min_p: 0, num_beams: 1 },
        ...{ max_new_tokens: 4, max_length: 9, repetition_penalty: 1, skip_special_tokens: true },
      },
    },
    { host: '127.0.0.1', port: 0, name: 'base', modules: ['law', 'code'], key: undefined },
  );
  try {
    const models = await (await fetch(`${server.url}/v1/models`)).json();
    expect(models).toMatchObject({ data: [{ id: 'base' }, { id: 'law' }, { id: 'code' }] });
    const complete = async (model: string) => {
      const response = await fetch(`${server.url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model, prompt: 'Hi', n: 2 }),
      });
      return { status: response.status, body: await response.json() };
    };
    expect((await complete('code')).body).toMatchObject({
      model: 'code',
      choices: [{ text: 'A' }, { text: 'A' }],
    });
    expect((await complete('base')).body).toMatchObject({ model: 'base' });
    expect(asked.map(({ module }) => module)).toEqual(['code', 'code', undefined, undefined]);
    const { status, body } = await complete('lore');
    expect([status, body]).toMatchObject([404, { error: { code: 'model_not_found' } }]);
    expect(JSON.stringify(body)).toContain('`base`, `law`, `code`');
  } finally {
    await server.close({ now: true });
  }
});
