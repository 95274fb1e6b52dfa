import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readTokenizerFixture } from '../../tests/golden/tokenizer-fixture.ts';
import { byteTokenizer } from './byte-tokenizer.ts';
import { tokenizerFromJson } from './from-json.ts';
import { tokenizerFromSentencePiece } from './from-sentencepiece.ts';
import { readSentencePiece } from './sentencepiece-file.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

const golden = new URL('../../tests/golden/tokenizer/', import.meta.url);
const unzip = (name: string): string =>
  gunzipSync(readFileSync(new URL(name, golden))).toString('utf8');
const { models } = z
  .object({ models: z.record(z.string(), z.base64()) })
  .parse(JSON.parse(unzip('sentencepiece.json.gz')));
const pieces = (name: string): Uint8Array => Buffer.from(models[name], 'base64');

const llama = '{"tokenizer_class": "LlamaTokenizer", "legacy": false, "add_prefix_space": false}';

/** Every kind of tokenizer; `lossless` where every text comes back, `spaced` where it does but for marks of spaces. */
const kinds: Readonly<
  Record<string, { readonly tokenizer: Tokenizer; readonly back?: 'whole' | 'but for marks' }>
> = {
  bytes: { tokenizer: byteTokenizer(), back: 'whole' },
  'byte-level BPE': {
    tokenizer: tokenizerFromJson(JSON.stringify(readTokenizerFixture('qwen3').json)),
    // It composes characters first.
  },
  'byte-level BPE, whole words': {
    tokenizer: tokenizerFromJson(unzip('llama3-kind.json.gz')),
    back: 'whole',
  },
  'SentencePiece BPE with bytes': {
    tokenizer: tokenizerFromSentencePiece(pieces('bpe-bytes')),
    back: 'but for marks',
  },
  'SentencePiece BPE across words': {
    tokenizer: tokenizerFromSentencePiece(pieces('bpe-loose')),
    back: 'but for marks',
  },
  'SentencePiece BPE with a map': { tokenizer: tokenizerFromSentencePiece(pieces('bpe-rules')) },
  'SentencePiece Unigram': { tokenizer: tokenizerFromSentencePiece(pieces('unigram')) },
  'SentencePiece Unigram with bytes': {
    tokenizer: tokenizerFromSentencePiece(pieces('unigram-loose')),
    back: 'but for marks',
  },
  'SentencePiece Unigram with a map': {
    tokenizer: tokenizerFromSentencePiece(pieces('unigram-rules')),
  },
  LlamaTokenizer: {
    tokenizer: tokenizerFromSentencePiece(pieces('bpe-bytes'), llama),
    back: 'but for marks',
  },
};

const special = fc.constantFrom('<s>', '</s>', '<unk>', '<sep>', '<|u|>', '<0x41>', '<|im_end|>');
const piece = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  { weight: 4, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
  { weight: 2, arbitrary: fc.constantFrom(' ', '  ', '▁', '\n', '\r\n', '\t', '\u0000', '\ufeff') },
  { weight: 1, arbitrary: special },
  { weight: 1, arbitrary: fc.constantFrom('\ud800', '\udc00', '\udbff x', 'a\udfff') },
);
const text = fc.array(piece, { maxLength: 8 }).map((parts) => parts.join(''));

describe.each(Object.entries(kinds))('%s', (_, { tokenizer, back }) => {
  test('takes any text, lone surrogates too, and gives ids that it knows', () => {
    fc.assert(
      fc.property(text, (given) => {
        const ids = tokenizer.encode(given);
        for (const id of ids) expect(tokenizer.tokenOf(id)).toBeDefined();
        expect(tokenizer.countTokens(given)).toBe(ids.length);
        expect([...tokenizer.encode(given.toWellFormed())]).toEqual([...ids]);
        expect(tokenizer.decode(ids).isWellFormed()).toBe(true);
      }),
    );
  });

  test.runIf(back)('gives the text back', () => {
    fc.assert(
      fc.property(text, (given) => {
        const wanted = given.toWellFormed();
        // Behind a special token there may be another space before the text.
        const found = tokenizer.decode(tokenizer.encode(given, { parseSpecial: false }));
        if (back === 'whole') expect(found).toBe(wanted);
        // A mark of the text itself comes back as the space that it stands for.
        else expect(found).toBe(wanted.replaceAll('▁', ' '));
      }),
    );
  });

  test('a stream adds up to the whole', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(tokenizer.vocabSize + 5), { maxLength: 40 }), (ids) => {
        const stream = tokenizer.streamDecoder();
        const parts = ids.map((id) => stream.push(id));
        expect(parts.join('') + stream.end()).toBe(tokenizer.decode(ids));
        for (const part of parts) expect(part.isWellFormed()).toBe(true);
      }),
    );
  });

  test('offsets go with the ids, and never back', () => {
    fc.assert(
      fc.property(text, (given) => {
        const { ids, starts, ends } = tokenizer.encodeWithOffsets(given);
        expect([...ids]).toEqual([...tokenizer.encode(given)]);
        let before = 0;
        for (const [i, start] of starts.entries()) {
          expect(start).toBeGreaterThanOrEqual(before);
          expect(ends[i]).toBeGreaterThanOrEqual(start);
          expect(ends[i]).toBeLessThanOrEqual(given.length);
          before = start;
        }
      }),
    );
  });

  test('its definition goes to another thread and gives the same', () => {
    const again = createTokenizer(structuredClone(tokenizer.definition));
    expect(again.digest).toBe(tokenizer.digest);
    fc.assert(
      fc.property(text, (given) => {
        expect([...again.encode(given)]).toEqual([...tokenizer.encode(given)]);
      }),
      { numRuns: 20 },
    );
  });
});

test('any bytes are a model or an error with a code', () => {
  const model = pieces('unigram');
  const changed = fc
    .tuple(fc.nat(model.length - 1), fc.nat(255), fc.nat(model.length))
    .map(([at, byte, end]) => {
      const bytes = Uint8Array.from(model.subarray(0, Math.max(1, end)));
      bytes[at % bytes.length] = byte;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), changed), (bytes) => {
      try {
        readSentencePiece(bytes, 'x.model');
      } catch (error) {
        expect(error).toMatchObject({ code: 'tokenizer/bad-file' });
      }
    }),
  );
});
