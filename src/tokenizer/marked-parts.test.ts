import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Tokenizer as RustTokenizer } from 'tokenizers';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { tokenizerFromJson } from './from-json.ts';
import { tokenizerFromSentencePiece } from './from-sentencepiece.ts';
import type { Part } from './normalizers.ts';
import { toTokenizerJson } from './to-json.ts';

const golden = new URL('../../tests/golden/tokenizer/', import.meta.url);
const unzip = (name: string): unknown =>
  JSON.parse(gunzipSync(readFileSync(new URL(name, golden))).toString('utf8'));
const { models, more } = z
  .object({ models: z.record(z.string(), z.base64()), more: z.array(z.string()) })
  .parse(unzip('sentencepiece.json.gz'));
const { listed, drawn } = z
  .object({ listed: z.array(z.string()), drawn: z.array(z.string()) })
  .parse(unzip('ids.json.gz'));
const strings = [
  ...[
    'a  b',
    ' <m> a<m>b <m>',
    'xab ab abc_ab',
    'É <m>É e\u0301',
    '<unk>中<unk>文',
    '\r\n\re\u0301\r',
  ],
  ...more,
  ...listed,
  ...drawn.slice(0, 250),
];

const Json = z.looseObject({ model: z.looseObject({ vocab: z.unknown() }) });
const jsonOf = (name: string) =>
  Json.parse(
    JSON.parse(
      toTokenizerJson(tokenizerFromSentencePiece(Buffer.from(models[name], 'base64')).definition),
    ),
  );
const bpe = jsonOf('bpe-bytes');
const loose = jsonOf('bpe-loose');
const plain = jsonOf('unigram');
const mapped = jsonOf('unigram-rules');
const inTurn = (...pretokenizers: readonly Part[]): Part => ({ type: 'Sequence', pretokenizers });
const metaspace = (settings: object): Part => ({
  type: 'Metaspace',
  replacement: '▁',
  prepend_scheme: 'always',
  split: true,
  ...settings,
});
const added = (content: string, flags: object) => ({
  id: 2000,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: true,
  special: false,
  ...flags,
});
const decoders = (...all: readonly Part[]): Part => ({ type: 'Sequence', decoders: all });
const replace: Part = { type: 'Replace', pattern: { String: '▁' }, content: ' ' };
const strip = (settings: object): Part => ({
  type: 'Strip',
  content: ' ',
  start: 0,
  stop: 0,
  ...settings,
});

/** Tokenizers that differ from the small ones in some parts; what the names say is whose they are like. */
const changes: Readonly<Record<string, object>> = {
  ...Object.fromEntries(
    ['always', 'first', 'never'].flatMap((prepend_scheme) =>
      [true, false].map((split) => [
        `Metaspace ${prepend_scheme}${split ? ', split' : ''}`,
        {
          ...bpe,
          normalizer: null,
          pre_tokenizer: metaspace({ prepend_scheme, split }),
          decoder: metaspace({ prepend_scheme, split }),
          added_tokens: [added('<m>', { normalized: false, rstrip: true })],
        },
      ]),
    ),
  ),
  'Metaspace of older files': {
    ...bpe,
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', add_prefix_space: true },
    decoder: { type: 'Metaspace', replacement: '▁', add_prefix_space: true },
  },
  Gemma: {
    ...loose,
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    pre_tokenizer: {
      type: 'Split',
      pattern: { String: ' ' },
      behavior: 'MergedWithPrevious',
      invert: false,
    },
  },
  'T5, XLM-R': {
    ...mapped,
    pre_tokenizer: inTurn({ type: 'WhitespaceSplit' }, metaspace({})),
    decoder: metaspace({}),
  },
  'words, the first alone marked': {
    ...plain,
    normalizer: null,
    pre_tokenizer: inTurn({ type: 'WhitespaceSplit' }, metaspace({ prepend_scheme: 'first' })),
    decoder: metaspace({ prepend_scheme: 'first' }),
  },
  'Unigram without bytes': { ...mapped, model: { ...mapped.model, byte_fallback: false } },
  'NFKC and Nmt': {
    ...plain,
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Nmt' }, { type: 'NFKC' }] },
    pre_tokenizer: metaspace({}),
  },
  'BPE without bytes': {
    ...bpe,
    model: { ...bpe.model, byte_fallback: false, unk_token: '<unk>', fuse_unk: true },
  },
  'every unknown character for itself': {
    ...bpe,
    model: { ...bpe.model, byte_fallback: false, unk_token: '<unk>', fuse_unk: false },
  },
  'nothing for unknown characters': {
    ...bpe,
    model: { ...bpe.model, byte_fallback: false, unk_token: null },
  },
  'whole words first': {
    ...bpe,
    normalizer: null,
    pre_tokenizer: metaspace({}),
    model: { ...bpe.model, ignore_merges: true },
  },
  'half of the bytes': {
    ...bpe,
    model: {
      ...bpe.model,
      unk_token: '<unk>',
      vocab: Object.fromEntries(
        Object.entries(z.record(z.string(), z.int()).parse(bpe.model.vocab)).filter(
          ([token]) => !/^<0x[9A-D]/.test(token),
        ),
      ),
    },
  },
  'added tokens of every kind': {
    ...bpe,
    added_tokens: [
      added('<m>', { lstrip: true }),
      added('É', { id: 2001, rstrip: true, special: true }),
      added('ab', { id: 2002, single_word: true, normalized: false }),
    ],
  },
  'no decoder': { ...bpe, decoder: null },
  'bytes, and stripped at both ends': {
    ...bpe,
    decoder: decoders(
      replace,
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      strip({ start: 2, stop: 3 }),
    ),
  },
  'stripped token by token': {
    ...bpe,
    decoder: decoders(replace, strip({ start: 1 }), { type: 'ByteFallback' }),
  },
  'replaced behind the fusion': {
    ...bpe,
    decoder: decoders({ type: 'ByteFallback' }, { type: 'Fuse' }, replace, strip({ start: 1 })),
  },
  'word pieces': {
    ...bpe,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
  },
};

test.each(Object.entries(changes))('%s', async (name, json) => {
  // The library ends the process where it would strip more than there is.
  const strips = name === 'bytes, and stripped at both ends';
  const text = JSON.stringify(json);
  const ours = tokenizerFromJson(text);
  const rust = RustTokenizer.fromString(text);
  for (const each of strings.filter((one) => !strips || /\S{4}/.test(one))) {
    const encoding = await rust.encode(each.toWellFormed(), null, { addSpecialTokens: false });
    const ids = encoding.getIds();
    expect([...ours.encode(each)], JSON.stringify(each)).toEqual(ids);
    expect([...ours.encodeWithOffsets(each).ids], JSON.stringify(each)).toEqual(ids);
    // The library decodes a normalized token as its normal form since 0.23; transformers has 0.22, and so have we.
    if (name === 'added tokens of every kind') continue;
    const decoded = await rust.decode(ids, false);
    expect(ours.decode(ids), JSON.stringify(each)).toBe(decoded);
    expect(ours.decode(ids, { skipSpecialTokens: true })).toBe(await rust.decode(ids, true));
  }
});

test('any ids decode as the library decodes them, at once and as a stream', async () => {
  let state = 7;
  for (const json of [bpe, plain, mapped, changes['replaced behind the fusion']]) {
    const text = JSON.stringify(json);
    const ours = tokenizerFromJson(text);
    const rust = RustTokenizer.fromString(text);
    for (let n = 0; n < 400; n++) {
      const ids = Array.from({ length: 12 }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        // Half of them bytes, so that halves of characters meet.
        return (state >>> 8) % (state & 1 ? 260 : ours.vocabSize);
      });
      const whole = await rust.decode(ids, false);
      expect(ours.decode(ids)).toBe(whole);
      const stream = ours.streamDecoder();
      const parts = ids.map((id) => stream.push(id));
      for (const part of parts) expect(part.isWellFormed()).toBe(true);
      expect(parts.join('') + stream.end()).toBe(whole);
    }
  }
});

/** Paths of real tokenizer.json files (LLaMA 2, Gemma, T5 …), whose licenses do not let them stand here. */
const paths = process.env['TUNERY_TOKENIZERS']?.split(':') ?? [];

test.runIf(paths.length > 0).each(paths)('%s', async (path) => {
  const json = readFileSync(path, 'utf8');
  const ours = tokenizerFromJson(json);
  const rust = RustTokenizer.fromString(json);
  for (const each of [...more, ...listed, ...drawn]) {
    const encoding = await rust.encode(each.toWellFormed(), null, { addSpecialTokens: true });
    const ids = encoding.getIds();
    const found = ours.encode(each, { addSpecialTokens: true });
    expect([...found], JSON.stringify(each)).toEqual(ids);
    expect(ours.decode(ids), JSON.stringify(each)).toBe(await rust.decode(ids, false));
  }
});
