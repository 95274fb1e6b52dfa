import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { tokenizerFromJson } from './from-json.ts';
import { tokenizerFromSentencePiece } from './from-sentencepiece.ts';
import type { Tokenizer } from './tokenizer.ts';

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
