import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Tokenizer as RustTokenizer } from 'tokenizers';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { tokenizerFromGguf } from './from-gguf.ts';
import { tokenizerFromJson } from './from-json.ts';
import { tokenizerFromSentencePiece } from './from-sentencepiece.ts';
import { readSentencePiece } from './sentencepiece-file.ts';
import { tokenizerTexts } from './to-json.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

const golden = new URL('../../tests/golden/tokenizer/', import.meta.url);
const unzip = (name: string): unknown =>
  JSON.parse(gunzipSync(readFileSync(new URL(name, golden))).toString('utf8'));
const Results = z.object({
  ids: z.array(z.array(z.int())),
  texts: z.array(z.string()),
  digests: z.array(z.string()),
});
const { models, more, goldens, llamas, llama_json } = z
  .object({
    models: z.record(z.string(), z.base64()),
    more: z.array(z.string()),
    goldens: z.record(z.string(), Results),
    llama_json: z.string(),
    llamas: z.record(
      z.string(),
      Results.extend({ config: z.object({}).loose(), with_specials: z.array(z.int()) }),
    ),
  })
  .parse(unzip('sentencepiece.json.gz'));
const strings = z
  .object({ listed: z.array(z.string()), drawn: z.array(z.string()) })
  .parse(unzip('ids.json.gz'));
const listed = [...strings.listed, ...more];
const { drawn } = strings;

const modelOf = (name: string): Uint8Array => Buffer.from(models[name], 'base64');

/** How many of the drawn strings one digest is of. */
const BLOCK = 10;

type Encode = (text: string) => Int32Array;
type Decode = (ids: Int32Array) => string;

function expectResults(encode: Encode, decode: Decode, wanted: z.infer<typeof Results>): void {
  for (const [i, text] of listed.entries()) {
    const ids = encode(text);
    expect([...ids], JSON.stringify(text)).toEqual(wanted.ids[i]);
    expect(decode(ids), JSON.stringify(text)).toBe(wanted.texts[i]);
  }
  for (const [block, digest] of wanted.digests.entries()) {
    const hash = createHash('sha256');
    const some = drawn.slice(BLOCK * block, BLOCK * (block + 1));
    for (const text of some) {
      const ids = encode(text);
      hash.update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength)).update(decode(ids));
    }
    expect(hash.digest('hex').slice(0, 12), JSON.stringify(some)).toBe(digest);
  }
}

describe.each(Object.keys(models))('a SentencePiece model: %s', (name) => {
  const tokenizer = tokenizerFromSentencePiece(modelOf(name));

  test(`ids and texts of ${listed.length} listed and ${drawn.length} drawn strings`, () => {
    // SentencePiece finds no control piece in a text, and writes ` ⁇ ` for what it does not know.
    const encode: Encode = (text) => tokenizer.encode(text, { parseSpecial: false });
    const unknown = tokenizer.idOf('<unk>');
    const decode: Decode = (ids) => withQuestionMarks(tokenizer, ids, unknown);
    expectResults(encode, decode, goldens[name]);
  });
});

/** The same model as a GGUF carries it. */
function ggufOf(name: string): Map<string, unknown> {
  const model = readSentencePiece(modelOf(name), name);
  const { normalizer } = model;
  return new Map<string, unknown>([
    ['tokenizer.ggml.model', model.kind === 'bpe' ? 'llama' : 't5'],
    ['tokenizer.ggml.tokens', model.pieces.map(({ text }) => text)],
    ['tokenizer.ggml.scores', Float32Array.from(model.pieces, ({ score }) => score)],
    ['tokenizer.ggml.token_type', Int32Array.from(model.pieces, ({ type }) => type)],
    ['tokenizer.ggml.precompiled_charsmap', normalizer.charsmap],
    ['tokenizer.ggml.add_space_prefix', normalizer.addDummyPrefix],
    ['tokenizer.ggml.remove_extra_whitespaces', normalizer.removeExtraWhitespaces],
    ['tokenizer.ggml.unknown_token_id', model.unknownId],
    ['tokenizer.ggml.bos_token_id', 1],
    ['tokenizer.ggml.eos_token_id', 2],
  ]);
}

// A GGUF does not say that white space ends words.
describe.each(Object.keys(models).filter((name) => name !== 'bpe-suffix'))('a GGUF: %s', (name) => {
  const tokenizer = tokenizerFromGguf(ggufOf(name));
  const file = tokenizerFromSentencePiece(modelOf(name));

  test('ids are those of the model', () => {
    for (const text of [...listed, ...drawn]) {
      expect([...tokenizer.encode(text)], JSON.stringify(text)).toEqual([...file.encode(text)]);
    }
  });

  test('the BPE kind begins a text, the Unigram kind ends it', () => {
    const ids = [...tokenizer.encode('a', { addSpecialTokens: true })];
    const bare = [...tokenizer.encode('a')];
    expect(ids).toEqual(name.startsWith('bpe') ? [1, ...bare] : [...bare, 2]);
    expect([tokenizer.bos?.token, tokenizer.eos?.token]).toEqual(['<s>', '</s>']);
  });
});

// Those that the library can say: no symbols of the user's, no map that graphemes change.
describe.each(['bpe-bytes', 'bpe-suffix', 'bpe-loose', 'unigram', 'unigram-loose'])(
  'written as tokenizer.json: %s',
  (name) => {
    const tokenizer = tokenizerFromSentencePiece(modelOf(name), '{"add_bos_token": true}');
    const texts = tokenizerTexts(tokenizer);
    const json = texts['tokenizer.json'];
    const again = tokenizerFromJson(json, texts['tokenizer_config.json']);
    const rust = RustTokenizer.fromString(json);

    test('the library and we read the same ids and texts from it', async () => {
      for (const text of [...listed, ...drawn]) {
        const encoding = await rust.encode(text.toWellFormed(), null, { addSpecialTokens: true });
        const ids = encoding.getIds();
        const ours = again.encode(text, { addSpecialTokens: true });
        expect([...ours], JSON.stringify(text)).toEqual(ids);
        expect(again.decode(ids)).toBe(await rust.decode(ids, false));
        expect(again.decode(ids, { skipSpecialTokens: true })).toBe(await rust.decode(ids, true));
      }
    });

    test('most of them are the model’s own', () => {
      const same = drawn.filter(
        (text) => String(tokenizer.encode(text)) === String(again.encode(text)),
      );
      expect(same.length / drawn.length).toBeGreaterThan(0.99);
      expect([again.bos, again.eos]).toEqual([tokenizer.bos, tokenizer.eos]);
    });
  },
);

test('a symbol of the user’s never merges with what touches it', () => {
  const { definition } = tokenizerFromSentencePiece(modelOf('bpe-bytes'));
  const plain = createTokenizer(definition);
  const symbol = plain.idOf('he')!;
  const spelled = (tokenizer: Tokenizer, text: string): (string | undefined)[] =>
    Array.from(tokenizer.encode(text), (id) => tokenizer.tokenOf(id));
  expect(spelled(plain, 'the then')).not.toContain('he');
  if (definition.model.type !== 'bpe') throw new Error('no BPE');
  const frozen = createTokenizer({
    ...definition,
    model: { ...definition.model, frozen: [symbol] },
  });
  expect(spelled(frozen, 'the then')).toEqual(['▁t', 'he', '▁t', 'he', 'n']);
});

function withQuestionMarks(
  tokenizer: Tokenizer,
  ids: Int32Array,
  unknown: number | undefined,
): string {
  const stream = tokenizer.streamDecoder();
  let text = '';
  for (const id of ids)
    text += id === unknown ? `${stream.push(id).replace('<unk>', ' ⁇ ')}` : stream.push(id);
  return text + stream.end();
}

describe.each(Object.entries(llamas))('transformers’ LlamaTokenizer: %s', (name, wanted) => {
  const config = JSON.stringify(wanted.config);
  const tokenizer = name.endsWith('-json')
    ? tokenizerFromJson(llama_json, config, { modelType: 'llama' })
    : tokenizerFromSentencePiece(modelOf('bpe-bytes'), config, { modelType: 'llama' });

  test('ids and texts', () => {
    expectResults(
      (text) => tokenizer.encode(text),
      (ids) => tokenizer.decode(ids),
      wanted,
    );
  });

  test('what stands around a text', () => {
    expect([...tokenizer.encode('a', { addSpecialTokens: true })]).toEqual(wanted.with_specials);
  });
});
