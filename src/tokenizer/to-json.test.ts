import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Tokenizer as RustTokenizer } from 'tokenizers';
import { describe, expect, test } from 'vitest';
import { readTokenizerFixture } from '../../tests/golden/tokenizer-fixture.ts';
import { byteTokenizer } from './byte-tokenizer.ts';
import { tokenizerFromGguf } from './from-gguf.ts';
import { tokenizerFromJson } from './from-json.ts';
import { tokenizerTexts, toTokenizerJson } from './to-json.ts';
import type { Tokenizer } from './tokenizer.ts';

const { listed, drawn }: { listed: string[]; drawn: string[] } = JSON.parse(
  gunzipSync(
    readFileSync(new URL('../../tests/golden/tokenizer/ids.json.gz', import.meta.url)),
  ).toString('utf8'),
);

function fromGguf(pre: string): Tokenizer {
  const { tokens, merges } = readTokenizerFixture('smollm2');
  const types = new Int32Array(tokens.length).fill(1);
  for (let id = 0; id < 17; id++) types[id] = 3;
  return tokenizerFromGguf(
    new Map<string, unknown>([
      ['tokenizer.ggml.model', 'gpt2'],
      ['tokenizer.ggml.pre', pre],
      ['tokenizer.ggml.tokens', tokens],
      ['tokenizer.ggml.token_type', types],
      ['tokenizer.ggml.merges', merges.map((pair) => pair.join(' '))],
      ['tokenizer.ggml.bos_token_id', 1],
      ['tokenizer.ggml.eos_token_id', 2],
      ['tokenizer.ggml.padding_token_id', 2],
      ['tokenizer.ggml.add_bos_token', pre === 'llama-bpe'],
    ]),
  );
}

const readBack = (texts: Readonly<Record<string, string>>): Tokenizer =>
  tokenizerFromJson(texts['tokenizer.json'], texts['tokenizer_config.json']);

/** UTF-8 has no lone surrogates. */
const sound = (text: string): string => text.toWellFormed();

describe.each(['smollm', 'llama-bpe', 'qwen2', 'gpt-4o', 'deepseek-v3'])(
  'a GGUF’s tokenizer of kind %s',
  (pre) => {
    const tokenizer = fromGguf(pre);
    const texts = tokenizerTexts(tokenizer, { chatTemplate: '{{ x }}', maxLength: 8192 });

    test('reads back as the same one, roles and all', () => {
      const again = readBack(texts);
      expect(again.digest).toBe(tokenizer.digest);
      expect([again.bos, again.eos, again.pad]).toEqual([
        tokenizer.bos,
        tokenizer.eos,
        tokenizer.pad,
      ]);
      for (const text of listed)
        expect([...again.encode(text)]).toEqual([...tokenizer.encode(text)]);
    });

    test('gives the same ids in the Rust library', async () => {
      const rust = RustTokenizer.fromString(texts['tokenizer.json']);
      for (const text of [...listed, ...drawn.slice(0, 200)].map(sound)) {
        const { getIds } = await rust.encode(text, null, { addSpecialTokens: true });
        void getIds;
        const encoded = await rust.encode(text);
        expect(encoded.getIds(), text).toEqual([
          ...tokenizer.encode(text, { addSpecialTokens: true }),
        ]);
      }
    });

    test('names its tokens, its template and its length', () => {
      const config = JSON.parse(texts['tokenizer_config.json']);
      expect(config).toMatchObject({
        bos_token: '<|im_start|>',
        eos_token: '<|im_end|>',
        pad_token: '<|im_end|>',
        chat_template: '{{ x }}',
        model_max_length: 8192,
        tokenizer_class: 'PreTrainedTokenizerFast',
        clean_up_tokenization_spaces: false,
      });
      expect(config.added_tokens_decoder['2']).toMatchObject({
        content: '<|im_end|>',
        special: true,
      });
      expect(JSON.parse(texts['special_tokens_map.json'])).toEqual({
        bos_token: '<|im_start|>',
        eos_token: '<|im_end|>',
        pad_token: '<|im_end|>',
      });
      expect(texts['chat_template.jinja']).toBe('{{ x }}');
    });
  },
);

test('the byte tokenizer of random models is written and read', () => {
  const tokenizer = byteTokenizer();
  const again = readBack(tokenizerTexts(tokenizer));
  expect(again.digest).toBe(tokenizer.digest);
  expect([...again.encode('é<|im_end|>')]).toEqual([...tokenizer.encode('é<|im_end|>')]);
});

describe('a tokenizer that came from files', () => {
  const fixture = readTokenizerFixture('qwen3');
  const source = JSON.stringify(fixture.json);
  const tokenizer = tokenizerFromJson(source, JSON.stringify(fixture.config));

  test('is written as it was', () => {
    expect(toTokenizerJson(tokenizer.definition)).toBe(source);
    const texts = tokenizerTexts(tokenizer);
    expect(JSON.parse(texts['tokenizer_config.json'])).toEqual(fixture.config);
    expect(texts).not.toHaveProperty('chat_template.jinja');
  });

  test('with another end of text has only that changed', () => {
    const changed = tokenizer.withTokens({ eos: '<|endoftext|>' });
    const texts = tokenizerTexts(changed, { chatTemplate: 'T' });
    expect(texts['tokenizer.json']).toBe(source);
    expect(JSON.parse(texts['tokenizer_config.json'])).toEqual({
      ...fixture.config,
      eos_token: '<|endoftext|>',
      chat_template: 'T',
    });
    expect(readBack(texts).eos?.token).toBe('<|endoftext|>');
  });

  test('whose new end of text was a plain word lists it as special', () => {
    const changed = tokenizer.withTokens({ eos: 'hello' });
    const again = readBack(tokenizerTexts(changed));
    expect(again.digest).toBe(changed.digest);
    expect(again.isSpecial(again.idOf('hello')!)).toBe(true);
    expect([...again.encode('say hello')]).toEqual([...changed.encode('say hello')]);
  });
});
