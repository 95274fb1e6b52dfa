import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Tokenizer as RustTokenizer } from 'tokenizers';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { tokenizerFromJson } from './from-json.ts';
import { ggufKinds } from './gguf-kinds.ts';
import type { Part } from './normalizers.ts';

const golden = new URL('../../tests/golden/tokenizer/', import.meta.url);
const unzip = (name: string): unknown =>
  JSON.parse(gunzipSync(readFileSync(new URL(name, golden))).toString('utf8'));
const Json = z.looseObject({ model: z.looseObject({}) });
const small = Json.parse(unzip('llama3-kind.json.gz'));
const { listed, drawn } = z
  .object({ listed: z.array(z.string()), drawn: z.array(z.string()) })
  .parse(unzip('ids.json.gz'));
// Strings that meet the added tokens below.
const meetings = [
  'ab AB  ab  abc xab ab_ab ab',
  ' <m>x <m> <m>  <m>\n<m>y',
  'Straße STRASSE é É e\u0301 ﬁ <m>É',
  '  both  sides  ',
  'a-b_c.d,e!f 12,345.6 x',
  '²³¹ ½ ٣٤ Ⅷ 12a3',
];
const strings = [...meetings, ...listed, ...drawn.slice(0, 200)];

const bytes = (settings: object = {}): Part => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: true,
  ...settings,
});
const split = (Regex: string, behavior: string, invert = false): Part => ({
  type: 'Split',
  pattern: { Regex },
  behavior,
  invert,
});
const inTurn = (...pretokenizers: readonly Part[]): Part => ({ type: 'Sequence', pretokenizers });
const added = (content: string, flags: object) => ({
  id: 3100,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: false,
  ...flags,
});

type Change = {
  readonly normalizer?: Part | null;
  readonly pre_tokenizer?: Part;
  readonly added_tokens?: readonly object[];
};

/** The small tokenizer with other parts. */
const changes: Readonly<Record<string, Change>> = {
  'GPT-2': { pre_tokenizer: bytes() },
  'prefix space': { pre_tokenizer: bytes({ add_prefix_space: true }) },
  'no pattern': { pre_tokenizer: bytes({ use_regex: false }) },
  'digits together': {
    pre_tokenizer: inTurn({ type: 'Digits', individual_digits: false }, bytes()),
  },
  'digits, prefix space': {
    pre_tokenizer: inTurn(
      { type: 'Digits', individual_digits: true },
      bytes({ add_prefix_space: true }),
    ),
  },
  'Falcon: digits among bytes': {
    pre_tokenizer: inTurn(
      split('[\\p{P}\\$\\+<=>\\^~\\|`]+', 'Contiguous'),
      bytes(),
      { type: 'Digits', individual_digits: false },
      split('[0-9][0-9][0-9]', 'Isolated'),
    ),
  },
  'white space removed': {
    pre_tokenizer: inTurn({ type: 'WhitespaceSplit' }, bytes({ use_regex: false })),
  },
  'words and marks': { pre_tokenizer: inTurn({ type: 'Whitespace' }, bytes()) },
  'at a character': {
    pre_tokenizer: inTurn({ type: 'CharDelimiterSplit', delimiter: 'a' }, bytes()),
  },
  'a literal pattern': {
    pre_tokenizer: inTurn(
      { type: 'Split', pattern: { String: '.' }, behavior: 'MergedWithNext', invert: false },
      bytes(),
    ),
  },
  ...Object.fromEntries(
    ['Isolated', 'Removed', 'Contiguous', 'MergedWithPrevious', 'MergedWithNext'].flatMap((b) => [
      [`split ${b}`, { pre_tokenizer: inTurn(split('[aeiou ]', b), bytes({ use_regex: false })) }],
      [
        `split ${b}, inverted`,
        { pre_tokenizer: inTurn(split('[aeiou ]+', b, true), bytes({ use_regex: false })) },
      ],
    ]),
  ),
  ...Object.fromEntries(
    ['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents'].map((type) => [
      type,
      { normalizer: { type } },
    ]),
  ),
  Strip: { normalizer: { type: 'Strip', strip_left: true, strip_right: false } },
  'NFD, no accents, small, replaced, prepended': {
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFD' },
        { type: 'StripAccents' },
        { type: 'Lowercase' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Replace', pattern: { String: '.' }, content: '' },
        { type: 'Prepend', prepend: '>>' },
      ],
    },
  },
  'a single word': { added_tokens: [added('ab', { single_word: true })] },
  'white space taken along': { added_tokens: [added('<m>', { lstrip: true, rstrip: true })] },
  'white space before': { added_tokens: [added('<m>', { lstrip: true, special: true })] },
  'a normalized token': {
    normalizer: { type: 'Lowercase' },
    added_tokens: [added('É', { normalized: true })],
  },
  'the longest token': {
    added_tokens: [added('a', {}), added('ab', { id: 3101 }), added('abc', { id: 3102 })],
  },
  ...Object.fromEntries(
    Object.entries(ggufKinds).map(([name, { normalizer, preTokenizer }]) => [
      `GGUF ${name}`,
      { normalizer: normalizer ?? null, pre_tokenizer: preTokenizer },
    ]),
  ),
};

test.each(Object.entries(changes))('%s', async (name, change) => {
  const vocab = z.record(z.string(), z.int()).parse(small.model['vocab']);
  const listedTokens = z.array(z.looseObject({ id: z.int() })).parse(small['added_tokens']);
  const base = Math.max(...Object.values(vocab), ...listedTokens.map(({ id }) => id)) + 1;
  const own = (change.added_tokens ?? []).map((token, i) => ({ ...token, id: base + i }));
  const json = JSON.stringify({
    ...small,
    ...change,
    model: { ...small.model, ignore_merges: false },
    added_tokens: [...listedTokens, ...own],
  });
  const rust = RustTokenizer.fromString(json);
  const ours = tokenizerFromJson(json);
  for (const given of strings) {
    const text = given.toWellFormed();
    const encoding = await rust.encode(text, null, { addSpecialTokens: false });
    const ids = encoding.getIds();
    expect([...ours.encode(text)], `${name}: ${JSON.stringify(text)}`).toEqual(ids);
    const { ids: again, starts, ends } = ours.encodeWithOffsets(text);
    expect([...again]).toEqual(ids);
    for (const [i, start] of starts.entries()) {
      expect(start).toBeLessThanOrEqual(ends[i]);
      expect(ends[i]).toBeLessThanOrEqual(text.length);
    }
    // The library takes the letters of an added `É` for byte characters; a token's text is its text.
    if (name !== 'a normalized token') expect(ours.decode(ids)).toBe(await rust.decode(ids, false));
  }
});

test('offsets point back through normalization', () => {
  const json = JSON.stringify({
    ...small,
    ...changes['NFD, no accents, small, replaced, prepended'],
  });
  const ours = tokenizerFromJson(json);
  const text = 'É.  ab';
  const { ids, starts, ends } = ours.encodeWithOffsets(text);
  const pieces = [...ids].map((id, i) => [ours.decode([id]), text.slice(starts[i], ends[i])]);
  expect(pieces.map(([token]) => token).join('')).toBe('>>e ab');
  expect(pieces.find(([token]) => token === 'e')).toEqual(['e', 'É']);
  expect(pieces.at(-1)![1].trim()).toBe('ab');
});
